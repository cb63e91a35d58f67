"""When an answer sets cookies, and which. Whose events a cookie's visitor becomes is in ``test_cookies_at_the_door``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.contract.door import KEYS, track
from tests.receive.asking_batch import BATCH, batch

from tropa_collector.receive.cookies import ID_SECONDS, RESET_SECONDS, Asked, Visit, visit_of
from tropa_collector.receive.keys import Source
from tropa_collector.settings import SourceOptions, load

NOW = 1_795_000_000
SITE = {b"sec-fetch-site": b"same-site", b"sec-fetch-mode": b"cors", b"host": b"events.shop.example"}
SECRET = b"secret of the tests"


def source(kind: Any = "browser", **options: Any) -> Source:
    return Source("web", kind, "wk_web", None, SourceOptions(**options))


def visit(
    body: object,
    headers: Mapping[bytes, bytes] = SITE,
    of: Source | None = None,
    *,
    https: bool = False,
    **cookies: str,
) -> Visit:
    sent = {b"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()} if cookies else {}
    return visit_of(body, Asked({**headers, **sent}, https, NOW), of or source(), SECRET)


def set_by(found: Visit) -> dict[str, str]:
    """Values by name; the attributes are tested on their own."""
    lines = [value.decode() for name, value in found.set_cookies if name == b"set-cookie"]
    return {line.partition("=")[0]: line.partition("=")[2].partition(";")[0] for line in lines}


def fetch(**changed: str | None) -> dict[bytes, bytes]:
    headers = {**SITE, **{name.replace("_", "-").encode(): value and value.encode() for name, value in changed.items()}}
    return {name: value for name, value in headers.items() if value}


OLD = {"sec_fetch_site": None, "sec_fetch_mode": None}  # a browser without fetch metadata

CONDITIONS: dict[str, tuple[bool, dict[bytes, bytes], dict[str, Any]]] = {
    "same site": (True, fetch(), {}),
    "same origin": (True, fetch(sec_fetch_site="same-origin"), {}),
    "a beacon": (True, fetch(sec_fetch_mode="no-cors"), {}),
    "another site": (False, fetch(sec_fetch_site="cross-site"), {}),
    "another site, the origin forged to look right": (
        False,
        fetch(sec_fetch_site="cross-site", origin="https://events.shop.example"),
        {},
    ),
    "typed by the user": (False, fetch(sec_fetch_site="none"), {}),
    "a form of the site": (False, fetch(sec_fetch_mode="navigate"), {}),
    "a form of another site": (False, fetch(sec_fetch_site="cross-site", sec_fetch_mode="navigate"), {}),
    "a form of another site in an old browser": (False, fetch(**OLD, origin="https://evil.example"), {}),
    "old browser, the collector's own host": (True, fetch(**OLD, origin="https://events.shop.example:8443"), {}),
    "old browser, under the cookie's domain": (
        True,
        fetch(**OLD, origin="https://www.shop.example"),
        {"cookie_domain": "shop.example"},
    ),
    "old browser, the cookie's domain itself": (
        True,
        fetch(**OLD, origin="https://shop.example"),
        {"cookie_domain": "shop.example"},
    ),
    "old browser, above the collector's host": (False, fetch(**OLD, origin="https://shop.example"), {}),
    "old browser, a name that only ends alike": (
        False,
        fetch(**OLD, origin="https://evilshop.example"),
        {"cookie_domain": "shop.example"},
    ),
    "old browser, no origin": (False, fetch(**OLD), {}),
    "old browser, an opaque origin": (False, fetch(**OLD, origin="null"), {}),
    "old browser, an origin that is none": (False, fetch(**OLD, origin="https://[::1"), {}),
    "old browser, no host": (False, fetch(**OLD, origin="https://shop.example", host=None), {}),
    "old browser, navigating": (False, fetch(**{**OLD, "sec_fetch_mode": "navigate"}, origin="https://events.shop.example"), {}),
}


@pytest.mark.parametrize(("allowed", "headers", "options"), CONDITIONS.values(), ids=CONDITIONS.keys())
def test_who_may_have_cookies(allowed: bool, headers: dict[bytes, bytes], options: dict[str, Any]) -> None:
    assert bool(visit(batch(), headers, source(**options)).set_cookies) is allowed
    hidden = visit(batch(), headers, source(**options, cookie_http_only=True))
    assert (hidden.anonymous_id is not None) is allowed


@pytest.mark.parametrize(
    "body",
    [
        {"batch": []},
        [],
        "text",
        None,
        batch("short"),
        batch("0" * 33),
        batch("0123456789AB"),
        batch("0123456789ab\n"),
        batch("0123456; Domain=evil"),
        batch(123456789012),
        batch(None),
        *[batch(state=state) for state in ("pending", "denied", "cookieless", "", None, True, ["granted"])],
        {"batchId": BATCH, "batch": []},
        {"batchId": BATCH, "context": "granted"},
        {"batchId": BATCH, "context": {"consent": "granted"}},
    ],
)
def test_what_does_not_ask_for_cookies_gets_none(body: object) -> None:
    assert visit(body) == visit(body, of=source(cookie_http_only=True)) == Visit()


def test_a_backend_gets_none() -> None:
    assert visit(batch(), of=source("server")) == Visit()


@pytest.mark.parametrize("batch_id", ["0" * 8, "f" * 32])
def test_batch_ids_have_8_to_32_digits(batch_id: str) -> None:
    assert set_by(visit(batch(batch_id))) == {"tropa_ack": batch_id}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", BATCH),
        ("aaaaaaaa", f"aaaaaaaa.{BATCH}"),
        (f"{BATCH}.aaaaaaaa", f"aaaaaaaa.{BATCH}"),  # a retry
        (".".join(f"{n:08x}" for n in range(9)), ".".join([f"{n:08x}" for n in range(2, 9)] + [BATCH])),
        ("x; y, aaaaaaaa.bbbbbbbb", BATCH),
        ("aaaaaaaa.not-hex!.bbbbbbbb", f"aaaaaaaa.bbbbbbbb.{BATCH}"),
    ],
)
def test_the_last_eight_batches_are_acknowledged(before: str, after: str) -> None:
    assert set_by(visit(batch(), tropa_ack=before))["tropa_ack"] == after


@pytest.mark.parametrize(
    ("cookie", "renewed"),
    [
        ("0192f-abc.0", "0192f-abc"),
        (f"0192f-abc.{NOW - RESET_SECONDS}", "0192f-abc"),
        (f"0192f-abc.{NOW + 100}", "0192f-abc"),  # a clock that was set back
        (f"0192f-abc.{NOW - RESET_SECONDS + 1}", None),
        (f"0192f-abc.{NOW}", None),
        ("", None),
        ("no-time", None),
        (".0", None),
        ("a,b.0", None),
        (f"{'x' * 65}.0", None),
        ("a.b.0", None),
    ],
)
def test_the_visitors_cookie_is_renewed_once_a_day(cookie: str, renewed: str | None) -> None:
    found = visit(batch(), tropa_id=cookie)
    assert set_by(found).get("tropa_id") == (renewed and f"{renewed}.{NOW}")
    assert found.anonymous_id is None  # script says itself who it is


@pytest.mark.parametrize(
    ("https", "options", "origin", "expected"),
    [
        (False, {}, None, "; Path=/; SameSite=Lax"),
        (True, {}, None, "; Path=/; SameSite=Lax; Secure"),
        (False, {}, "https://shop.example", "; Path=/; SameSite=Lax; Secure"),
        (False, {}, "http://shop.example", "; Path=/; SameSite=Lax"),
        (True, {"cookie_domain": "shop.example"}, None, "; Path=/; SameSite=Lax; Domain=shop.example; Secure"),
    ],
)
def test_attributes(https: bool, options: dict[str, Any], origin: str | None, expected: str) -> None:
    def lines(**more: Any) -> list[str]:
        found = visit(
            batch(cookie_domain="evil.example", name="evil"),
            fetch(origin=origin),
            source(**options, **more),
            https=https,
            tropa_id="a.0",
        )
        return [value.decode() for _, value in found.set_cookies]

    assert lines() == [f"tropa_ack={BATCH}; Max-Age=120{expected}", f"tropa_id=a.{NOW}; Max-Age={ID_SECONDS}{expected}"]
    ack, visitor = lines(cookie_http_only=True)
    assert (ack, visitor) == (lines()[0], f"{lines()[1]}; HttpOnly")


def test_names_are_the_sources() -> None:
    found = visit(batch(), of=source(cookie_name="shop"), shop_id="a.0", tropa_id="b.0", shop_ack="aaaaaaaa")
    assert set_by(found) == {"shop_ack": f"aaaaaaaa.{BATCH}", "shop_id": f"a.{NOW}"}


def test_of_two_cookies_with_one_name_the_first_counts() -> None:
    headers = fetch(cookie="tropa_id=first.0; tropa_id=second.0")
    assert set_by(visit(batch(), headers))["tropa_id"] == f"first.{NOW}"


HIDDEN = source(cookie_http_only=True)


def minted(body: dict[str, Any], tropa_id: str = "") -> str:
    found = visit(body, of=HIDDEN, tropa_id=tropa_id)
    assert found.anonymous_id is not None
    assert set_by(found)["tropa_id"] == f"{found.anonymous_id}.{NOW}"
    return found.anonymous_id


def test_a_minted_visitor_is_the_same_for_every_try_of_a_batch() -> None:
    first = minted(batch())
    assert len(first) == 32
    assert minted(batch(sentAt="later")) == first
    others = [minted(batch("aaaaaaaa")), minted(batch(batch=[track("m2", anonymousId=None)])), minted(batch(batch=[{}]))]
    assert len({first, *others}) == 4
    assert visit_of(batch(), Asked(SITE, https=False, now=NOW), HIDDEN, b"another secret").anonymous_id != first


def test_the_cookies_visitor_stays_until_reset() -> None:
    kept = visit(batch(), of=HIDDEN, tropa_id=f"known.{NOW - 5}")
    assert (kept.anonymous_id, set_by(kept)) == ("known", {"tropa_ack": BATCH})
    fresh = minted(batch(reset=1), tropa_id=f"known.{NOW - 5}")
    assert fresh == minted(batch(reset=1)) != "known"
    retried = visit(batch(reset=1), of=HIDDEN, tropa_id=f"{fresh}.{NOW - 5}")  # the first answer came, the page had gone
    assert (retried.anonymous_id, set_by(retried)) == (fresh, {"tropa_ack": BATCH})


@pytest.mark.parametrize(
    "events", [[], [track(anonymousId="own")], [track(anonymousId=None), track(anonymousId="own")], None, ["x"]]
)
def test_nobody_is_minted_where_events_say_who_or_there_are_none(events: object) -> None:
    found = visit(batch(batch=events), of=HIDDEN)
    assert (found.anonymous_id, set_by(found)) == (None, {"tropa_ack": BATCH})


@pytest.mark.parametrize("name", ["a b", "a;b", "1a", "", "a=b", "x" * 33, "a-b"])
def test_a_cookie_name_is_an_identifier(name: str) -> None:
    with pytest.raises(Exception, match="cookie_name"):
        load({"write_keys": KEYS, "sources": {"web": {"cookie_name": name}}})


@pytest.mark.parametrize("domain", ["shop", ".shop.example", "shop.example; Secure", "https://shop.example", "Shop.example", ""])
def test_a_cookie_domain_is_a_domain(domain: str) -> None:
    with pytest.raises(Exception, match="cookie_domain"):
        load({"write_keys": KEYS, "sources": {"web": {"cookie_domain": domain}}})
