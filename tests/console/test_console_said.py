"""What the collector says of an event in English is read out in Russian too: its sentences are provoked here, not listed."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest

from tropa_collector.admin.console.words import CATALOGUES, Words
from tropa_collector.errors import MalformedBody
from tropa_collector.events.normalise import Limits, parse
from tropa_collector.events.validate import Invalid, Valid, check, open_single
from tropa_collector.identity import identifiers, normalise, token

RUSSIAN, ENGLISH = Words("ru"), Words("en")
LIMITS = Limits(max_depth=6, max_string_chars=300, max_list_items=20, max_map_items=20)
TRACK: dict[str, Any] = {"type": "track", "event": "E", "messageId": "m"}
BAD = [
    7,
    {"type": "order"},
    {"type": "x" * 70},
    {"type": "track"},
    {"type": "group"},
    {"type": "alias", "userId": "u"},
    {"type": "alias", "previousId": "p"},
    TRACK | {"event": ""},
    TRACK | {"event": 7},
    TRACK | {"event": "e" * 256},
    TRACK | {"messageId": "m" * 201},
    TRACK | {"properties": "text"},
    TRACK | {"properties": None, "context": True},
    TRACK | {"context": {"externalIds": 1.5}},
    TRACK | {"context": {"externalIds": [[]]}},
    TRACK | {"context": {"active": "perhaps"}},
    TRACK | {"context": {"active": {}}},
    TRACK | {"userId": {}},
    TRACK | {"timestamp": "yesterday"},
    TRACK | {"sentAt": 'a "quoted"\nword'},
    TRACK | {"properties": {"a": 1 << 70}},
    TRACK | {"properties": {"a": parse(b'{"a":1e999}', limits=LIMITS)}},
    TRACK | {"properties": {str(n): n for n in range(21)}},
    TRACK | {"properties": {"a": [0] * 21}},
    TRACK | {"properties": {"a": "x" * 301}},
    TRACK | {"properties": {"a": {"b": {"c": {"d": {"e": {"f": {}}}}}}}},
    TRACK | {"properties": {str(n): "x" * 290 for n in range(5)}},
]
SAID_ELSEWHERE = [
    "The store could not hold this event: value out of range",
    "The store failed over this event; the worker's log says how.",
    "Record tropa.events/3/77 cannot be read. It begins with 7b; this version reads 01.",
]


def judged(event: object) -> Valid | Invalid:
    return check(event, open_single({}, type_="track")._replace(items=[event]), source="web", limits=LIMITS, max_event_bytes=1_200)


def is_russian(text: str) -> bool:
    return bool(re.search("[а-я]", text))


@pytest.mark.parametrize("event", BAD, ids=lambda event: str(event)[:40])
def test_a_fault_is_said_in_russian(event: object) -> None:
    verdict = judged(event)
    assert isinstance(verdict, Invalid)
    assert is_russian(RUSSIAN.said(verdict.fault.message)), verdict.fault.message
    assert ENGLISH.said(verdict.fault.message) == verdict.fault.message
    assert all(f"{family}.{verdict.fault.code}" in CATALOGUES["ru"] for family in ("reason", "advice"))


def test_what_was_sent_and_what_is_allowed_stay_in_the_sentence() -> None:
    said = [RUSSIAN.said(verdict.fault.message) for event in BAD if isinstance(verdict := judged(event), Invalid)]
    assert "Здесь должен быть объект, а не строка." in said
    assert '"yesterday" — не время по ISO 8601, такое как 2026-11-21T20:31:35.253Z.' in said
    assert "В списке 21 значений, а хранится не больше 20. Разделите на события." in said
    assert '«type» — одно из: identify, track, page, screen, group, alias; здесь "order".' in said


def test_warnings_are_said_in_russian() -> None:
    verdict = judged({"type": "track", "event": "E", "received_at": "now"})
    assert isinstance(verdict, Valid)
    assert [notice.code for notice in verdict.notices] == ["reserved_field", "message_id_missing"]
    assert all(is_russian(RUSSIAN.said(notice.message)) for notice in verdict.notices)


@pytest.mark.parametrize("module", [identifiers, normalise, token], ids=lambda module: module.__name__)
def test_what_no_identifier_becomes_of_is_said_in_russian(module: ModuleType) -> None:
    kinds = (normalise.Fault, token.TokenFault)
    messages = [value.message for value in vars(module).values() if isinstance(value, kinds)]
    assert messages
    assert [message for message in messages if not is_russian(RUSSIAN.said(message))] == []


@pytest.mark.parametrize("body", [b"", b"{", b"{\x00}", b"\xff\xfe{", b"[]", b"null"])
def test_a_body_that_the_tester_refuses_is_said_in_russian(body: bytes) -> None:
    with pytest.raises(MalformedBody) as refused:
        open_single(parse(body, limits=LIMITS), type_="track")
    assert is_russian(RUSSIAN.said(refused.value.message)), refused.value.message


@pytest.mark.parametrize("sentence", SAID_ELSEWHERE)
def test_what_stores_and_workers_say(sentence: str) -> None:
    assert is_russian(RUSSIAN.said(sentence))


def test_a_sentence_that_nobody_knows_stays_as_it_is() -> None:
    assert RUSSIAN.said("Something {new}.") == "Something {new}."
