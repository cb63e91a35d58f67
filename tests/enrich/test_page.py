from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropa_collector.enrich import page as page_module
from tropa_collector.enrich.page import page_and_campaign


def test_a_landing_page() -> None:
    url = "https://Shop.example.RU/catalog/shoes?utm_source=yandex&utm_medium=cpc&utm_campaign=%D0%BE%D1%81%D0%B5%D0%BD%D1%8C"
    page, campaign = page_and_campaign(
        {
            "page": {
                "url": url,
                "path": "/catalog/shoes",
                "referrer": "https://yandex.ru/search?text=x",
                "title": "Обувь",
            }
        }
    )
    assert page == {"host": "shop.example.ru", "path": "/catalog/shoes", "referrer_host": "yandex.ru"}
    assert campaign == {"source": "yandex", "medium": "cpc", "name": "осень"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "utm_source=s&utm_medium=m&utm_campaign=n&utm_term=t&utm_content=c&utm_id=7",
            {"source": "s", "medium": "m", "name": "n", "term": "t", "content": "c", "id": "7"},
        ),
        ("UTM_Source=Google", {"source": "Google"}),
        ("utm_source=a&utm_source=b", {"source": "a"}),
        ("utm_source=&utm_medium=email", {"medium": "email"}),
        ("utm_term=red+shoes%20sale", {"term": "red shoes sale"}),
        ("utm_term=%zz%ff%", {"term": "%zz\ufffd%"}),
        ("utm_term=a%00b", {"term": "a\ufffdb"}),
        ("utm_term=%ED%A0%80", {"term": "\ufffd\ufffd\ufffd"}),
        ("utm_term=" + "x" * 600, {"term": "x" * 512}),
        (
            "gclid=1&gbraid=2&wbraid=3&dclid=4",
            {"click_ids": {"gclid": "1", "gbraid": "2", "wbraid": "3", "dclid": "4"}},
        ),
        ("yclid=1&ysclid=2&ymclid=3", {"click_ids": {"yclid": "1", "ysclid": "2", "ymclid": "3"}}),
        ("fbclid=1&rb_clickid=2&vkclid=3", {"click_ids": {"fbclid": "1", "rb_clickid": "2", "vkclid": "3"}}),
        ("ttclid=1&msclkid=2&other=3", {"click_ids": {"ttclid": "1", "msclkid": "2"}}),
        ("", None),
        ("size=42&&=&=x&utm_source", None),
    ],
)
def test_campaigns_of_query_strings(query: str, expected: dict[str, Any] | None) -> None:
    for page in ({"search": f"?{query}"}, {"search": query}, {"url": f"https://shop.example/?{query}#top"}):
        assert page_and_campaign({"page": page})[1] == expected


def test_the_senders_campaign_wins_field_by_field() -> None:
    context = {
        "page": {"search": "?utm_source=google&utm_medium=cpc&gclid=1"},
        "campaign": {"source": "newsletter", "name": "May", "medium": "", "id": {"not": "text"}, "unknown": "x"},
    }
    assert page_and_campaign(context)[1] == {
        "source": "newsletter",
        "medium": "cpc",
        "name": "May",
        "click_ids": {"gclid": "1"},
    }
    page, campaign = page_and_campaign({"campaign": {"name": "May"}})
    assert page is None
    assert campaign == {"name": "May"}


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ({"path": "/a"}, {"path": "/a"}),
        ({"url": "https://shop.example"}, {"host": "shop.example"}),
        ({"url": "http://[broken", "title": "T"}, None),
        ({"url": "not a url"}, {"path": "not a url"}),
        ({"url": ["x"], "referrer": {"a": 1}, "title": 5, "path": True, "search": None}, None),
        ({"url": 1, "title": [1]}, None),
        ({}, None),
    ],
)
def test_odd_pages(page: dict[str, Any], expected: dict[str, str] | None) -> None:
    assert page_and_campaign({"page": page})[0] == expected


@pytest.mark.parametrize("context", [{}, {"page": None, "campaign": None}, {"page": [1], "campaign": "x"}, {"page": ""}])
def test_a_context_without_either(context: dict[str, Any]) -> None:
    assert page_and_campaign(context) == (None, None)


def test_a_hostile_query_is_read_in_part_and_never_kept() -> None:
    before = len(page_module._cache)
    context = {"page": {"url": "https://shop.example/?utm_source=first&" + "utm_term=%ff%25&" * 2_000}}
    _, campaign = page_and_campaign(context)
    assert campaign == {"source": "first", "term": "\ufffd%"}
    assert len(page_module._cache) == before
    assert page_and_campaign({"page": {"search": "a&" * page_module.MAX_PARAMETERS + "utm_source=late"}})[1] is None


def test_a_page_seen_before_is_the_same_object_and_the_cache_is_bounded() -> None:
    context = {"page": {"url": "https://shop.example/again"}}
    first = page_and_campaign(context)
    assert page_and_campaign({"page": {"url": "https://shop.example/again"}}) is first
    for number in range(page_module.MAX_CACHED_PAGES + 10):
        page_and_campaign({"page": {"url": f"https://shop.example/{number}"}})
    assert len(page_module._cache) == page_module.MAX_CACHED_PAGES


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_fields = st.sampled_from(["url", "search", "referrer", "path", "title", "source", "name", "id"])


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["page", "campaign"]), _json | st.dictionaries(_fields, _json)))
def test_no_context_raises_and_what_comes_out_is_text(context: dict[str, Any]) -> None:
    page, campaign = page_and_campaign(context)
    assert page is None or all(isinstance(value, str) and value for value in page.values())
    assert campaign is None or json.dumps(dict(campaign))
