"""Whatever a stranger writes into a body, key, cookie, address, user agent or time: an answer or a refusal, in bounds."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.contract.door import BROWSER, SERVER, Door, track

from tropa_collector.enrich.clock import SkewMemory, corrected_timestamp
from tropa_collector.enrich.device import Devices
from tropa_collector.enrich.page import page_and_campaign
from tropa_collector.enrich.place import stored_address
from tropa_collector.errors import RequestError
from tropa_collector.events.normalise import Limits, parse
from tropa_collector.events.timestamps import to_iso, to_microseconds
from tropa_collector.identity.token import TokenFault, verify
from tropa_collector.receive.body import inflate
from tropa_collector.receive.client_address import client_address
from tropa_collector.receive.cookies import Asked, visit_of
from tropa_collector.receive.keys import Source, key_of_headers, key_of_query

MAX_BYTES = 4_096
DEVICES = Devices(64)
DOOR = Door()
TRUSTED = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("::1/128"))
FAR = settings(max_examples=300, deadline=None, derandomize=True)
NEAR = settings(max_examples=80, deadline=None, derandomize=True)

magic = st.sampled_from(
    [b"", b"\x1f\x8b", b"\x1f\x8b\x08\0", b"\x78\x9c", b"\x78\xda", b"\x28\xb5\x2f\xfd", b"{", b"[", b"\xef\xbb\xbf"]
)
raw = st.builds(bytes.__add__, magic, st.binary(max_size=200))
odd_text = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="0123456789:.-+TZ /eEx,;=\"'%\\[]{}()<>\0\r\n\t\u202e\ud800²٣", max_size=60),
    st.sampled_from(
        ["null", "undefined", "NaN", "-1", "1" * 400, "%" * 50, "../../x", "\ud83d", "\x7f", "0" * 70, "::ffff:1.2.3.4"]
    ),
)
header = odd_text.map(lambda text: text.encode("utf-8", "surrogatepass"))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), odd_text),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd_text, inner, max_size=4),
    max_leaves=10,
)


@FAR
@given(raw)
def test_a_body_is_inflated_within_its_bound_or_refused(body: bytes) -> None:
    try:
        assert len(inflate(body, max_bytes=MAX_BYTES)) <= MAX_BYTES
    except RequestError as error:
        assert error.status in {400, 413}


@NEAR
@given(raw, st.sampled_from(["/v1/track", "/v1/batch", "/v1/identify", "/beacon/v1/batch", "/v1/validate", "/v1/m"]))
def test_the_door_answers_any_bytes(body: bytes, path: str) -> None:
    assert DOOR.post(path, body).status in {200, 400, 413}


@NEAR
@given(json_values)
def test_the_door_answers_any_json(value: Any) -> None:
    body = json.dumps({"batch": [value, track()], "context": value, "sentAt": value}).encode()
    answer = DOOR.post("/v1/batch", body)
    assert answer.status in {200, 400}
    assert answer.document.keys() >= {"success"}


@FAR
@given(
    st.dictionaries(st.sampled_from([b"authorization", b"x-write-key"]), st.one_of(header, header.map(lambda one: b"Basic " + one)))
)
def test_a_key_is_text_or_none(headers: dict[bytes, bytes]) -> None:
    key = key_of_headers(headers)
    assert key is None or (key and key == key.strip() and key != "***")
    assert DOOR.ring.find(key or "") is None


@FAR
@given(header)
def test_a_key_of_the_query_is_text_or_none(query: bytes) -> None:
    assert key_of_query(b"writeKey=" + query) != ""


@FAR
@given(st.lists(header, max_size=4), st.one_of(st.none(), odd_text, st.just("127.0.0.1")))
def test_an_address_is_one_or_the_peer(forwarded: list[bytes], peer: str | None) -> None:
    found = client_address(peer, forwarded, TRUSTED)
    if found is not None and found != peer:
        ip_address(found)


@FAR
@given(odd_text)
def test_what_is_stored_of_an_address_is_an_address(text: str) -> None:
    stored = stored_address(text, "truncated")
    assert stored is None or ip_address(stored).exploded != ""


@FAR
@given(
    odd_text,
    st.dictionaries(st.sampled_from(["sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform-version", "brands"]), json_values),
)
@example("Mozilla/5.0 " + "(" * 500, {})
def test_any_user_agent_is_read(agent: str, hints: dict[str, Any]) -> None:
    device = DEVICES.lookup(agent, hints)
    assert device is None or orjson.loads(device.json)


@FAR
@given(
    st.dictionaries(
        st.sampled_from(["page", "campaign", "referrer"]),
        st.one_of(json_values, st.fixed_dictionaries({"url": odd_text, "search": odd_text})),
    )
)
def test_any_page_is_read(context: dict[str, Any]) -> None:
    context = parse(json.dumps(context).encode(), limits=Limits())  # type: ignore[assignment] # as it comes from the door
    page, campaign = page_and_campaign(context)
    assert all(one is None or orjson.loads(one.json) is not None for one in (page, campaign))


@FAR
@given(st.one_of(odd_text, st.datetimes().map(str), st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat())))
@example("2026-11-21T20:31:35.2530000001Z")
@example("0001-01-01T00:00:00+23:59")
def test_a_time_is_a_number_that_comes_back_or_a_refusal(text: str) -> None:
    try:
        found = to_microseconds(text)
    except ValueError:
        return
    assert abs(found) < 1 << 62
    assert to_microseconds(to_iso(found)) == min(max(found, -62_135_596_800_000_000), 253_402_300_799_999_999)


instants = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)


@FAR
@given(st.none() | instants, st.none() | instants, instants, st.booleans())
def test_a_corrected_time_is_never_later_than_the_receipt(
    original: int | None, sent: int | None, received: int, retried: bool
) -> None:
    day = 86_400_000_000
    skews = SkewMemory(4)
    for _ in range(2):
        found = corrected_timestamp(original, sent, received, retried=retried, max_skew_us=day, skews=skews, sender="one")
        assert found <= received
        assert original is None or abs(found - min(original, received)) <= 2 * day


@FAR
@given(odd_text, odd_text, st.sampled_from([b"", b"cors", b"navigate"]), header, st.booleans())
def test_a_cookie_is_set_of_known_letters_alone(cookie: str, batch_id: str, mode: bytes, origin: bytes, https: bool) -> None:
    headers = {b"cookie": f"tropa_id={cookie}; tropa_ack={cookie}".encode("utf-8", "surrogatepass"), b"sec-fetch-mode": mode}
    headers |= {b"origin": origin, b"sec-fetch-site": b"same-origin", b"host": b"shop.example"}
    for identity in (batch_id, "0123456789abcdef"):
        body = {"batchId": identity, "context": {"consent": {"state": "granted"}}}
        visit = visit_of(body, Asked(headers, https, 1_790_000_000), Source("web", "browser", BROWSER), b"s" * 32)
        for _, value in visit.set_cookies:
            assert value.isascii()
            assert not any(sign in value for sign in (b"\r", b"\n", b"\0", b","))


@FAR
@given(st.one_of(odd_text, json_values, st.tuples(odd_text, odd_text, odd_text).map(".".join)))
def test_a_token_is_refused_with_a_reason(token: Any) -> None:
    found = verify(token, b"s" * 32, 1_790_000_000.0)
    assert isinstance(found, TokenFault)
    assert found.message


@NEAR
@given(
    odd_text,
    st.sampled_from(
        ["user-agent", "x-forwarded-for", "cookie", "origin", "referer", "x-retry-count", "sec-ch-ua", "content-encoding"]
    ),
)
def test_the_door_answers_any_header(text: str, name: str) -> None:
    value = text.encode("utf-8", "surrogatepass").decode("latin-1")
    answer = DOOR.post("/v1/track", track("fuzzed"), key=SERVER, **{name.replace("-", "_"): value})
    assert answer.status == 200


def test_the_times_that_are_refused_are_refused() -> None:
    for text in ("", "yesterday", "2026-13-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-11-21T25:00:00Z"):
        with pytest.raises(ValueError):
            to_microseconds(text)
