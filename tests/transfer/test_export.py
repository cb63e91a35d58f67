"""Contacts and events as CSV and JSON Lines: cells that no spreadsheet executes, filters, a way back in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from loadtests.collector_process import CollectorProcess

from tropa_collector.cli import cli
from tropa_collector.transfer.cells import neutral, not_neutral

FORMULA = '=HYPERLINK("http://evil.example","x")'


def tropa(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def table(text: str) -> list[dict[str, str]]:
    return sorted(csv.DictReader(io.StringIO(text)), key=lambda row: (row.get("user_id", ""), row.get("type", "")))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three customers: one added to cart and ordered, one only added, one did neither; one of them is a joker."""
    with CollectorProcess(tmp_path_factory.mktemp("export") / "data") as process:
        people: list[dict[str, Any]] = [
            {"type": "identify", "userId": "u1", "traits": {"email": "a@example.com", "phone": "+79161234567", "city": "Казань"}},
            {"type": "identify", "userId": "u2", "traits": {"city": FORMULA, "tags": ["a", "b"], "address": {"zip": 1}}},
            {"type": "identify", "userId": "u3"},
        ]
        deeds = [("u1", "Product Added"), ("u2", "Product Added"), ("u1", "Order Completed")]
        people += [{"type": "track", "userId": user, "event": event, "properties": {"n": 1}} for user, event in deeds]
        assert process.post("/v1/batch", {"batch": people})[0] == 200
        yield process.data


@pytest.mark.parametrize("cell", ["=1+1", "+7 916", "-1", "@SUM(A1)", "\tx", "\rx", " =1", "＝1", "'=1"])
def test_a_cell_that_begins_as_a_formula_is_made_neutral_and_back(cell: str) -> None:
    assert not neutral(cell).lstrip().startswith(("=", "+", "-", "@", "＝"))
    assert not_neutral(neutral(cell)) == cell or cell == "'=1"


@pytest.mark.parametrize("cell", ["", "a=1", "Анна", "1-2", "'quoted'", "{}"])
def test_other_cells_are_left_alone(cell: str) -> None:
    assert (neutral(cell), not_neutral(cell)) == (cell, cell)


def test_contacts_with_identifiers_and_traits(data: Path) -> None:
    rows = table(tropa("export", "contacts", "--data", data).output)
    assert [row["user_id"] for row in rows] == ["u1", "u2", "u3"]
    assert (rows[0]["email"], rows[0]["phone"], rows[0]["trait.city"]) == ("a@example.com", "'+79161234567", "Казань")
    assert (rows[1]["trait.city"], rows[1]["trait.tags"], rows[1]["trait.address"]) == ("'" + FORMULA, "a b", '{"zip":1}')


@pytest.mark.parametrize(
    ("filters", "users"),
    [
        (["--did", "Product Added"], ["u1", "u2"]),
        (["--did", "Product Added", "--not-did", "Order Completed"], ["u2"]),
        (["--not-did", "Product Added"], ["u3"]),
        (["--did", "Product Added", "--since", "2099-01-01"], []),
    ],
)
def test_contacts_by_what_they_did(data: Path, filters: list[str], users: list[str]) -> None:
    assert [row["user_id"] for row in table(tropa("export", "contacts", "--data", data, *filters).output)] == users


def test_events_as_json_lines_are_what_the_api_shows(data: Path) -> None:
    output = tropa("export", "events", "--data", data, "--format", "jsonl", "--type", "track", "--event", "Order Completed").output
    (event,) = [orjson.loads(line) for line in output.splitlines()]
    assert (event["userId"], event["event"], event["properties"], event["trust"]) == ("u1", "Order Completed", {"n": 1}, "server")
    assert event["contact_id"]


def test_events_as_csv(data: Path, tmp_path: Path) -> None:
    assert "6 events" in tropa("export", "events", "--data", data, "--out", tmp_path / "events.csv").output
    rows = table((tmp_path / "events.csv").read_text("utf-8"))
    assert [row["type"] for row in rows] == ["identify"] * 3 + ["track"] * 3
    assert orjson.loads(rows[3]["properties"]) == {"n": 1}
    assert (tmp_path / "events.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["events", "--did", "x"], "--did and --not-did choose contacts"),
        (["contacts", "--type", "track"], "--type and --event choose events"),
        (["events", "--since", "lately"], "is not a time"),
    ],
)
def test_a_filter_that_cannot_be_is_said(data: Path, arguments: list[str], said: str) -> None:
    result = tropa("export", *arguments, "--data", data)
    assert (result.exit_code, said in result.output) == (2, True)


def test_what_was_exported_can_be_imported(data: Path, tmp_path: Path) -> None:
    tropa("export", "contacts", "--data", data, "--out", tmp_path / "out.csv")
    mapping = ["--map", "user_id=user_id", "--map", "phone=phone", "--map", "email=email", "--map", "trait.city=trait.city"]
    report = tropa("import", tmp_path / "out.csv", "--data", tmp_path / "new", *mapping)
    assert "3 stored" in report.output, report.output
    again = table(tropa("export", "contacts", "--data", tmp_path / "new").output)
    assert (again[0]["phone"], again[0]["trait.city"], again[1]["trait.city"]) == ("'+79161234567", "Казань", "'" + FORMULA)


def test_excel_is_told_the_encoding_and_finds_its_columns(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "contacts.csv"
    assert tropa("export", "contacts", "--data", data, "--format", "excel", "--out", path).exit_code == 0
    assert path.read_bytes().startswith(b"\xef\xbb\xbfid;")
    found = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig")), delimiter=";"))
    assert {row["trait.city"] for row in found} == {"Казань", "'" + FORMULA, ""}
