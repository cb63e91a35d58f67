"""schemas/ is what the model says, and its examples are what the collector does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tropa_collector.events.model import TYPES
from tropa_collector.events.normalise import Limits
from tropa_collector.events.schemas import documents
from tropa_collector.events.validate import Envelope, Invalid, Valid, check

SCHEMAS = Path(__file__).parents[2] / "schemas"
VALID = sorted((SCHEMAS / "examples" / "valid").glob("*.json"))
INVALID = sorted((SCHEMAS / "examples" / "invalid").glob("*.json"))
ECOMMERCE = {"Products Searched", "Product Viewed", "Product Added", "Cart Viewed", "Checkout Started", "Order Completed"}
NUMERIC_IDS = {"userId", "groupId"}  # numbers come back as text
BEYOND_STRUCTURE = {"bad_timestamp"}  # what JSON Schema only annotates


def read(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


def checked(event: Any) -> Valid | Invalid:
    return check(event, Envelope([event]), source="web", limits=Limits(), max_event_bytes=32_768)


def schema_accepts(event: Any) -> bool:
    """As ``batch.json`` sees it: the schema of the event's own type."""
    return bool(Draft202012Validator(read(SCHEMAS / "batch.json")).is_valid({"batch": [event]}))


def test_the_files_are_not_stale() -> None:
    stale = [name for name, text in documents().items() if (SCHEMAS / name).read_text("utf-8") != text]
    assert stale == [], "run `make schemas`"


def test_there_is_a_schema_for_each_type_and_for_a_batch() -> None:
    assert set(documents()) == {f"{name}.json" for name in (*TYPES, "batch")}


@pytest.mark.parametrize("name", [*TYPES, "batch"])
def test_each_is_a_json_schema(name: str) -> None:
    schema = read(SCHEMAS / f"{name}.json")
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"tropa:{name}"


def test_there_are_enough_examples() -> None:
    events = [read(file) for file in VALID]
    assert len(VALID) >= 15
    assert len(INVALID) >= 25
    assert {event["type"] for event in events} == set(TYPES)
    assert {event.get("event") for event in events} >= ECOMMERCE
    assert {read(file)["code"] for file in INVALID} >= {"unknown_type", "missing_field", "wrong_type", "string_too_long"}


@pytest.mark.parametrize("file", VALID, ids=[file.stem for file in VALID])
def test_a_valid_example_is_accepted_and_kept_as_sent(file: Path) -> None:
    event = read(file)
    verdict = checked(read(file))
    assert isinstance(verdict, Valid), verdict
    kept = json.loads(verdict.encoded)
    if "messageId" not in event:
        assert kept.pop("messageId") == verdict.message_id
    assert kept == {name: str(value) if name in NUMERIC_IDS and value is not None else value for name, value in event.items()}


@pytest.mark.parametrize("file", VALID, ids=[file.stem for file in VALID])
def test_a_valid_example_passes_the_schema(file: Path) -> None:
    event = read(file)
    Draft202012Validator(read(SCHEMAS / f"{event['type']}.json")).validate(event)
    assert schema_accepts(event)


@pytest.mark.parametrize("file", INVALID, ids=[file.stem for file in INVALID])
def test_an_invalid_example_is_refused_for_its_reason(file: Path) -> None:
    case = read(file)
    assert case.keys() == {"event", "code", "path"}
    verdict = checked(case["event"])
    assert isinstance(verdict, Invalid)
    assert (verdict.fault.code, verdict.fault.path) == (case["code"], case["path"])
    assert len(verdict.fault.message) > 15


@pytest.mark.parametrize("file", INVALID, ids=[file.stem for file in INVALID])
def test_an_invalid_example_fails_the_schema_where_structure_permits(file: Path) -> None:
    case = read(file)
    assert schema_accepts(case["event"]) is (case["code"] in BEYOND_STRUCTURE)
