"""What is rejected: one bad event among a hundred, for each kind of badness."""

from __future__ import annotations

import orjson
import pytest
from tests.contract.bad_events import Kind, batch_with, kinds
from tests.contract.door import Door, track

GOOD = [orjson.dumps(track(f"good-{n}")).decode() for n in range(99)]
KINDS = kinds()
PLAIN_OBJECTS = [kind for kind in KINDS if kind.text.startswith("{") and not kind.name.startswith("type-")]


def test_there_are_many_kinds() -> None:
    assert len({(kind.code, kind.path, kind.text[:40]) for kind in KINDS}) >= 60
    assert len({kind.code for kind in KINDS}) >= 10


@pytest.mark.parametrize("position", [0, 1, 50, 99])
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_ninety_nine_are_stored_and_one_is_in_quarantine(door: Door, kind: Kind, position: int) -> None:
    answer = door.post("/v1/batch", batch_with(kind, position, GOOD))
    assert (answer.status, answer.document["success"], answer.document["accepted"]) == (200, True, 99)
    (error,) = answer.document["errors"]
    assert (error["index"], error["messageId"], error["code"], error["path"]) == (position, kind.message_id, kind.code, kind.path)
    assert len(error["message"]) > 15
    assert [event["messageId"] for event in door.stored()] == [f"good-{n}" for n in range(99)]
    (row,) = door.quarantined()
    assert (row["code"], row["path"], row["message"]) == (kind.code, kind.path, error["message"])
    assert row["original"] == kind.text
    assert (row["messageId"], row["source"]) == (kind.message_id or "", "shop")


@pytest.mark.parametrize("kind", PLAIN_OBJECTS, ids=[kind.name for kind in PLAIN_OBJECTS])
def test_alone_it_is_400_and_its_bytes_are_kept(door: Door, kind: Kind) -> None:
    type_ = orjson.loads(kind.text[:60].split(",")[0].rstrip("}") + "}").get("type", "track")
    answer = door.post(f"/v1/{type_}", kind.text.encode())
    assert (answer.status, answer.document["code"]) == (400, kind.code)
    assert door.quarantined()[0]["original"] == kind.text


def test_every_kind_at_once(door: Door) -> None:
    body = ('{"batch":[' + ",".join(kind.text for kind in KINDS) + "]}").encode()
    answer = door.post("/v1/batch", body)
    assert answer.status == 400
    assert [error["code"] for error in answer.document["errors"]] == [kind.code for kind in KINDS]
    assert door.counters.outcomes["shop", "quarantined"] == len(KINDS)


@pytest.mark.parametrize("n_bad", [5_000])
def test_thousands_of_bad_events_cost_no_more_than_good_ones(door: Door, n_bad: int) -> None:
    answer = door.post("/v1/batch", b'{"batch":[' + b",".join([b'{"type":"x"}'] * n_bad) + b"]}")
    assert (answer.status, len(answer.document["errors"])) == (400, n_bad)
    assert {row["original"] for row in door.quarantined()} == {'{"type":"x"}'}
