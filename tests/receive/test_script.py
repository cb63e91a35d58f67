"""The browser SDK as it is served: names, caching, compression, and the snippet that asks for it."""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from hashlib import sha384
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tropa_collector import cli_snippet
from tropa_collector.errors import SettingsError
from tropa_collector.receive.keys import Source
from tropa_collector.receive.script import AUTO_PAGES, PATH, script, script_routes, snippet
from tropa_collector.settings import SourceOptions, load

DIST = Path(__file__).parents[2] / "sdk_js" / "dist"
BUILT = (DIST / "tropa.js").read_bytes()
WEB = Source("web", "browser", "wk_web")


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=script_routes(["/t/a.js", "/s"])), headers={"accept-encoding": "identity"})


@pytest.mark.parametrize(
    ("path", "caching"),
    [(path, "no-cache") for path in (PATH, "/t/a.js", "/s")]
    + [(script().path(path), "public, max-age=31536000, immutable") for path in (PATH, "/t/a.js", "/s")],
)
def test_every_name_serves_the_built_bytes(client: TestClient, path: str, caching: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.content) == (200, BUILT)
    assert answer.headers["cache-control"] == caching
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert client.head(path).headers["content-length"] == str(len(BUILT))


def test_versioned_names_hold_the_hash() -> None:
    version = sha384(BUILT).hexdigest()[:16]
    assert [script().path(path) for path in (PATH, "/v1.2/s")] == [f"/tropa.{version}.js", f"/v1.2/s.{version}"]
    assert script().integrity == f"sha384-{b64encode(sha384(BUILT).digest()).decode()}"


def test_another_version_is_not_here(client: TestClient) -> None:
    assert client.get("/tropa.0123456789abcdef.js").status_code == 404
    assert client.post(PATH).status_code == 405


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=1.0", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("x-gzip-not", False),
    ],
)
def test_compressed_where_it_is_accepted(client: TestClient, accepted: str, compressed: bool) -> None:
    answer = client.get(PATH, headers={"accept-encoding": accepted})
    assert (answer.headers.get("content-encoding") == "gzip") is compressed
    assert answer.content == BUILT  # the client inflates
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == (len(script().gzipped) if compressed else len(BUILT))


def test_what_is_sent_compressed_is_small() -> None:
    assert gzip.decompress(script().gzipped) == BUILT
    assert len(script().gzipped) <= 4_608  # as sent; Node's encoder, which `npm run check` asks, differs by a few bytes


@pytest.mark.parametrize(("asked", "status"), [("{}", 304), ("W/{}", 304), ('"x", {}', 304), ("*", 304), ('"x"', 200), ("", 200)])
def test_what_a_browser_has_is_not_sent_again(client: TestClient, asked: str, status: int) -> None:
    etag = client.get(PATH).headers["etag"]
    answer = client.get(PATH, headers={"if-none-match": asked.format(etag)})
    assert (answer.status_code, answer.content == BUILT) == (status, status == 200)
    assert answer.headers["etag"] == etag
    assert client.get(PATH, headers={"accept-encoding": "gzip"}).headers["etag"] != etag


def test_the_snippet_has_what_the_source_says() -> None:
    options = SourceOptions(cookie_name="shop", cookie_domain="shop.example", cookie_http_only=True)
    html = snippet(Source("web", "browser", 'wk_"<&', None, options), "https://e.shop.example/", path="/t/a.js")
    assert "window.shop=window.shop||" in html
    assert '<script async src="https://e.shop.example/t/a.js" data-key="wk_&quot;&lt;&amp;"' in html
    assert 'data-name="shop" data-domain="shop.example" data-http-only="1"' in html
    assert "integrity" not in html


def test_a_pinned_snippet_names_bytes_and_hash(client: TestClient) -> None:
    html = snippet(WEB, pinned=True)
    path, integrity = re.findall(r'src="([^"]+)" integrity="sha384-([^"]+)" crossorigin data-key="wk_web"', html)[0]
    assert b64encode(sha384(client.get(path).content).digest()).decode() == integrity


def test_what_the_command_prints_sends_page_views_latest_and_pinned(capsys: pytest.CaptureFixture[str]) -> None:
    cli_snippet.show([WEB, Source("shop", "server", "sk_shop")], "https://e.shop.example")
    printed = capsys.readouterr().out
    assert printed.count('data-key="wk_web" data-auto="pages"></script>') == 2
    assert snippet(WEB, "https://e.shop.example", auto=AUTO_PAGES) in printed
    assert "sk_shop" not in printed
    assert "data-auto" not in snippet(WEB)


@pytest.mark.parametrize("paths", ["no-slash", "/ends/", "/a{b}.js", "/a b.js", '/"'])
def test_a_script_path_is_a_plain_one(paths: str) -> None:
    with pytest.raises(SettingsError, match="script_paths"):
        load({"script_paths": paths})


def test_a_path_has_one_meaning() -> None:
    with pytest.raises(SettingsError, match="must not share /t"):
        load({"script_paths": "/t,/s", "ingest_paths": "/t"})
