"""What a record of the topic holds: whole, in parts, of one person or of many, and what is no record at all."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropa_collector.errors import PayloadTooLarge
from tropa_collector.kafka.record import VERSION, Encoded, Unreadable, decode, encode
from tropa_collector.store.protocol import Identity, Quarantined, Record, Submission

ANY_BYTES = 10_000_000
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_integers = st.integers(-(1 << 63), (1 << 63) - 1)
_json = st.recursive(
    st.none() | st.booleans() | _integers | st.floats(allow_nan=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=5,
)
_keys = st.tuples(_text, _text)
_identities = st.none() | st.tuples(
    st.lists(st.tuples(_keys, st.integers(0, 2), st.integers(0, 999), st.booleans()), min_size=1, max_size=3),
    st.none() | st.dictionaries(_text, _json, max_size=3),
    st.none() | st.tuples(_keys, _keys),
)
_records = st.builds(
    Record, _text, st.integers(0, 2), _text, _text, _text, _integers, _integers, _integers, body=_text, identity=_identities
)
_quarantined = st.builds(
    Quarantined, _text, _integers, _text, _text, _text, _text, _text, _text, original=st.binary(max_size=30), receipt=_text
)
_submissions = st.tuples(st.lists(_records, max_size=4), st.lists(_quarantined, max_size=3)).map(lambda both: Submission(*both))


def record(number: int = 0, *keys: tuple[str, str], body: str = "{}") -> Record:
    identity: Identity | None = ([(key, 1, 2, False) for key in keys], None, None) if keys else None
    return Record("web", 0, "track", "Seen", f"m{number}", 1, 2, 3, body, identity)


def joined(parts: Sequence[Encoded]) -> Submission:
    decoded = [decode(part.value) for part in parts]
    return Submission([r for part in decoded for r in part.records], [q for part in decoded for q in part.quarantined])


@given(_submissions, st.integers(40, 400))
@settings(max_examples=60, deadline=None)
def test_what_goes_in_comes_out_whole_or_in_parts(submission: Submission, max_bytes: int) -> None:
    assert joined(list(encode(submission, max_bytes=ANY_BYTES))) == submission
    try:
        parts = list(encode(submission, max_bytes=max_bytes))
    except PayloadTooLarge:
        alone = [Submission([one]) for one in submission.records] + [Submission((), [one]) for one in submission.quarantined]
        assert max(len(next(encode(one, max_bytes=ANY_BYTES)).value) for one in alone) > max_bytes
        return
    assert joined(parts) == submission
    assert max(len(part.value) for part in parts) <= max_bytes


def test_a_large_batch_becomes_several_records_and_a_large_event_is_refused() -> None:
    batch = Submission([record(number, body="x" * 900) for number in range(100)])
    parts = list(encode(batch, max_bytes=20_000))
    assert 5 <= len(parts) <= 8
    assert joined(parts).records == batch.records
    with pytest.raises(PayloadTooLarge, match="20000"):
        list(encode(Submission([record(1), record(2, body="x" * 20_000)]), max_bytes=20_000))


COOKIE, LOGIN, OTHER = ("anonymous_id", "a"), ("user_id", "u"), ("anonymous_id", "b")
KEYS: list[tuple[str, list[Record], bytes | None]] = [
    ("one visitor", [record(1, COOKIE), record(2, COOKIE)], b"anonymous_id:a"),
    ("a visitor who logs in", [record(1, COOKIE), record(2, LOGIN, COOKIE)], b"anonymous_id:a"),
    ("two visitors", [record(1, COOKIE), record(2, OTHER)], None),
    ("one of them nobody", [record(1, COOKIE), record(2)], None),
    ("nobody", [record(1)], None),
    ("a backend's customer", [record(1, LOGIN)], b"user_id:u"),
    ("bad events only", [], None),
]


@pytest.mark.parametrize(("records", "key"), [row[1:] for row in KEYS], ids=[row[0] for row in KEYS])
def test_a_record_is_keyed_by_its_one_identity(records: list[Record], key: bytes | None) -> None:
    assert next(encode(Submission(records), max_bytes=ANY_BYTES)).key == key


GOOD = next(encode(Submission([record(1, COOKIE)]), max_bytes=ANY_BYTES)).value
NO_RECORDS: dict[str, bytes] = {
    "nothing": b"",
    "another version": b"\x02" + GOOD[1:],
    "JSON": b'{"type":"track"}',
    "cut": GOOD[:-1],
    "longer": GOOD + b"\x00",
    "not UTF-8": GOOD.replace(b"track", b"tr\xffck"),
    "a number for a text": GOOD.replace(b"\xa5track", b"\x01"),
    "one list": VERSION + b"\x91\x90",
    "nested without end": VERSION + b"\x91" * 100_000,
}


@pytest.mark.parametrize("value", NO_RECORDS.values(), ids=NO_RECORDS.keys())
def test_what_is_no_record_is_named_and_never_read_halfway(value: bytes) -> None:
    with pytest.raises(Unreadable) as error:
        decode(value)
    assert str(error.value)


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_unreadable_or_read(tail: bytes) -> None:
    try:
        decode(VERSION + tail)
    except Unreadable:
        return


OF_VERSION_1 = bytes.fromhex(
    "0192919aa377656200a5747261636ba45365656ea26d31010203a27b7d93919492ac616e6f6e796d6f75735f6964a1610102c2c0c090"
)


def test_what_version_1_left_in_topics_is_still_read() -> None:
    """When the layout changes, version 2 begins, and this stays."""
    assert decode(OF_VERSION_1) == Submission([record(1, COOKIE)], [])
    assert (len(Record._fields), len(Quarantined._fields)) == (10, 10)
