"""The browser SDK inside of a page. That the inlined script runs is a test of ``tests/browser``."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import tropa

BUILT = (Path(__file__).parents[2] / "sdk_js" / "dist" / "tropa.js").read_text("utf-8")
URL = "https://events.shop.example/v1/batch"


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_holds_the_built_script_and_nothing_else() -> None:
    page = Elements(tropa.inline_script("wk_1", URL, nonce="n0nce", auto="pages links", http_only="1"))
    attributes = {"nonce": "n0nce", "data-key": "wk_1", "data-url": URL, "data-auto": "pages links", "data-http-only": "1"}
    assert page.tags == [("script", attributes)]
    assert page.text == BUILT.strip()


def test_what_is_handed_in_stays_an_attribute() -> None:
    hostile = '"><img src=x>'
    page = Elements(tropa.inline_script(hostile, f"/{hostile}", nonce=hostile, domain=hostile))
    assert [tag for tag, _ in page.tags] == ["script"]
    assert set(page.tags[0][1].values()) == {hostile, f"/{hostile}"}


@pytest.mark.parametrize(("key", "url"), [("", URL), ("wk_1", ""), ("wk_1", "events.shop.example")])
def test_bad_arguments_raise(key: str, url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        tropa.inline_script(key, url)


def test_the_collectors_own_dependencies_are_not_imported() -> None:
    program = f"import sys, tropa; tropa.inline_script('wk', '{URL}'); sys.exit('starlette' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
