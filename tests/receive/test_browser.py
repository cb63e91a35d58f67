"""What a browser's request adds to its events, and what is taken out of their addresses."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.door import BROWSER, SERVER, Door, track

from tropa_collector.metrics import exposition
from tropa_collector.receive.browser import without_secrets

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl"
ID = "0192f0c0-0000-7000-8000-000000000001.1795000000000.-123456"


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        (f"https://shop.example/?tropa_id={ID}", "https://shop.example/"),
        (f"https://shop.example/a?x=1&tropa_id={ID}&y=2#top", "https://shop.example/a?x=1&y=2#top"),
        (f"https://shop.example/a?tropa_id={ID}&y=2", "https://shop.example/a?y=2"),
        (f"https://shop.example/a?x=1&tropa_id={ID}#top", "https://shop.example/a?x=1#top"),
        (f"?tropa_id={ID}&x=1", "?x=1"),
        (f"?tropa_id={ID}", ""),
        (f"https://shop.example/?token={JWT}&x=1", "https://shop.example/?x=1"),
        (f"https://shop.example/#access={JWT}", "https://shop.example/#"),
        (f"https://shop.example/?a={JWT}&b={JWT}&c=eyJ", "https://shop.example/?c=eyJ"),
        ("https://shop.example/?not_tropa_id=1&a=eyJub3Q", "https://shop.example/?not_tropa_id=1&a=eyJub3Q"),
        ("https://shop.example/?&", "https://shop.example/?&"),
        ("tropa_id=outside", "tropa_id=outside"),
        ("", ""),
    ],
)
def test_secrets_leave_an_address(address: str, kept: str) -> None:
    assert without_secrets(address, "tropa") == kept


def test_stored_addresses_hold_no_secrets_of_any_page() -> None:
    door = Door(sources={"web": {"cookie_name": "shop"}})
    page = {
        "url": f"https://s.example/?shop_id={ID}&utm_source=mail",
        "search": f"?shop_id={ID}",
        "referrer": f"https://a.example/?t={JWT}",
    }
    event = {"type": "page", "messageId": "m", "anonymousId": "a", "context": {"page": {**page, "title": "T"}}, "properties": page}
    door.send(event, {"type": "page", "messageId": "n", "anonymousId": "a"}, key=BROWSER)
    first, second = door.stored()
    clean = {"url": "https://s.example/?utm_source=mail", "search": "", "referrer": "https://a.example/"}
    assert (first["context"]["page"], first["properties"]) == ({**clean, "title": "T"}, clean)
    assert first["enriched"]["campaign"] == {"source": "mail"}
    assert "properties" not in second


def test_texts_that_are_no_addresses_stay() -> None:
    door = Door()
    said = {"text": f"?token={JWT}", "url": 5, "page": {"url": f"?token={JWT}"}}
    door.send(track(properties=said), key=BROWSER)
    assert door.stored()[0]["properties"] == said


@pytest.mark.parametrize(
    ("context", "consent"),
    [
        (
            {"consent": {"state": "granted", "purposes": ["analytics"]}},
            {"state": "granted", "purposes": ["analytics"], "gpc": True},
        ),
        ({}, {"gpc": True}),
        (None, {"gpc": True}),
        ({"consent": None}, {"gpc": True}),
        ({"consent": {"gpc": False}}, {"gpc": True}),
    ],
)
def test_the_privacy_signal_is_kept_with_each_event(context: Any, consent: dict[str, Any]) -> None:
    door = Door()
    door.post("/v1/batch", {"batch": [track("1", context=context), track("2")]}, key=BROWSER, sec_gpc="1")
    first, second = door.stored()
    assert (first["context"]["consent"], second["context"]["consent"]) == (consent, {"gpc": True})


def test_consent_of_the_batch_is_kept_with_each_event() -> None:
    door = Door()
    outer = {"consent": {"state": "granted", "purposes": ["analytics"]}, "locale": "ru"}
    door.send(track("1"), track("2"), key=BROWSER, context=outer)
    assert [event["context"] for event in door.stored()] == [outer, outer]


@pytest.mark.parametrize(("key", "signal"), [(SERVER, "1"), (BROWSER, "0"), (BROWSER, "yes")])
def test_no_signal(key: str, signal: str) -> None:
    door = Door()
    door.post("/v1/track", track(), key=key, sec_gpc=signal)
    assert "consent" not in (door.stored()[0].get("context") or {})


@pytest.mark.parametrize(
    ("key", "dropped", "counted"),
    [(BROWSER, 3, 3), (BROWSER, 10**15, 1e6), (BROWSER, -5, 0), (BROWSER, "3", 0), (BROWSER, True, 0), (SERVER, 3, None)],
)
def test_events_that_a_page_gave_up_are_a_figure(key: str, dropped: object, counted: float | None) -> None:
    door = Door()
    door.send(track(), key=key, dropped=dropped)
    lines = dict(line.rsplit(" ", 1) for line in exposition(door.counters, door.store).decode().splitlines())
    value = lines.get('tropa_events_given_up_total{source="web"}')
    assert (None if value is None else float(value)) == counted
