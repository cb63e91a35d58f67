"""Importing customers: what is found out of a file, what becomes of each row, twice the same, stopped and gone on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from loadtests.collector_process import CollectorProcess

from tropa_collector.cli import cli
from tropa_collector.errors import StoreError, Unavailable
from tropa_collector.identity.records import IMPORT
from tropa_collector.metrics import Counters
from tropa_collector.settings import Settings
from tropa_collector.store.memory import MemoryStore
from tropa_collector.store.protocol import Operation, Submission
from tropa_collector.store.sqlite.writing.client import SqliteLog
from tropa_collector.transfer import customers, importing
from tropa_collector.transfer.imports import Batch, Imported, Importer, customer, import_scope

MAPPING = ("user_id=ID", "email=E-mail", "phone=Телефон", "trait.city=Город", "trait.name=Имя")
TEXT = """ID;E-mail;Телефон;Город;Имя;Комментарий
1;Anna@Example.com;8 916 123-45-67;Казань;Анна;x
2;bob@gmail.con;+7 (903) 000-11-22;Москва;Боб;y
3;;12;Омск;Вера;z
4;anna@example.com;;Пермь;Ольга;
;null;;Тула;Никто;
6;a;b;c;d;e;f;g

7;info@corp.ru;8 800 555-35-35;Сочи;"Иван; Ваня";строка
"""


def tropa(*arguments: object, environment: dict[str, str] | None = None) -> Result:
    return CliRunner(env=environment).invoke(cli, [str(argument) for argument in arguments])


def imported(file: Path, data: Path, *more: object, mapping: Sequence[str] = MAPPING) -> str:
    entries = [part for entry in mapping for part in ("--map", entry)]
    result = tropa("import", file, "--data", data, "--region", "RU", *entries, *more)
    assert result.exit_code == 0, result.output
    return result.output


def rows(data: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(f"{(data / 'tropa.sqlite3').absolute().as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def whole_store(data: Path) -> list[Any]:
    tables = ("identifiers", "contacts", "edges", "traits", "events", "identity_log")
    return [rows(data, f"SELECT * FROM {table}") for table in tables]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    path.write_text(TEXT, "utf-8")
    return path


@pytest.mark.parametrize(
    ("content", "encoding", "delimiter", "form"),
    [
        (TEXT.encode(), "utf-8", ";", "csv"),
        (TEXT.encode("utf-8-sig"), "utf-8-sig", ";", "csv"),
        (TEXT.encode("cp1251"), "cp1251", ";", "csv"),
        (TEXT.replace(";", "\t").encode("utf-16"), "utf-16", "\t", "csv"),
        (b'email,name\r\na@example.com,"Doe; J, \r\n Jr"\r\nb@example.com,B\r\n', "utf-8", ",", "csv"),
        (b"email\r\na@example.com\r\n", "utf-8", ";", "csv"),
        (b'\n{"email":"a@example.com"}\n'.lstrip(), "utf-8", ";", "jsonl"),
    ],
)
def test_encoding_and_delimiter_are_found_out(tmp_path: Path, content: bytes, encoding: str, delimiter: str, form: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    found = customers.survey(path)
    assert (found.encoding, found.delimiter, found.form) == (encoding, delimiter, form)
    assert found.columns[0] in {"ID", "email"}
    assert not any(row.fault for row in customers.rows(path, found) if len(row.raw) <= len(found.columns))


def test_a_file_that_turns_out_not_to_be_utf8_only_late_is_read_right(tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    path.write_bytes(b"id,city\n" + (b"1," + b"K" * 4_000 + b"\n") * 600 + "2,Казань\n".encode("cp1251"))
    found = customers.survey(path)
    assert found.encoding == "cp1251"
    *_, last = customers.rows(path, found)
    assert last.cells == {"id": "2", "city": "Казань"}


@pytest.mark.parametrize("magic", [b"PK\x03\x04\x14\x00", b"\xd0\xcf\x11\xe0\xa1\xb1"])
def test_a_workbook_is_called_one(tmp_path: Path, magic: bytes) -> None:
    (tmp_path / "customers.csv").write_bytes(magic + bytes(100))
    with pytest.raises(customers.ImportFileError, match=r"is a workbook .* Save it there as CSV"):
        customers.survey(tmp_path / "customers.csv")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"email,email\na,b\n"])
def test_a_file_that_is_none_is_refused_with_a_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(customers.ImportFileError):
        customers.survey(path)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("email=Nope", "no column 'Nope'"),
        ("nonsense=ID", "is no identifier"),
        ("import_row=ID", "is no identifier"),
        ("email", "not TARGET=COLUMN"),
        ("trait.x=ID", "at least one column to an identifier"),
    ],
)
def test_a_wrong_mapping_is_said_before_anything_is_read(file: Path, tmp_path: Path, entry: str, said: str) -> None:
    result = tropa("import", file, "--data", tmp_path / "data", "--map", entry)
    assert result.exit_code == 2
    assert said in result.output


def test_a_dry_run_reports_every_value_and_writes_nothing(file: Path, tmp_path: Path) -> None:
    report = imported(file, tmp_path / "data", "--dry-run")
    assert not (tmp_path / "data").exists()
    for line in (
        "rows: 7, of which 2 cannot be imported",
        "email: 4 taken (1 in another spelling), 1 refused",
        "row 1: Anna@Example.com → anna@example.com",
        "row 2: bob@gmail.con: bob@gmail.com?",
        "row 1: 8 916 123-45-67 → +79161234567",
        "refused, not_a_phone: 1",
        "kept, but joins nobody: 1",
        "identifiers in several rows of the file: 1",
        "row 1: rows 1, 4",
        "columns left out: Комментарий",
    ):
        assert line in report
    assert not list(tmp_path.glob("*.rejects.csv"))


def test_a_dry_run_over_a_store_says_what_it_already_has(file: Path, tmp_path: Path) -> None:
    assert "identifiers that the store already has" not in imported(file, tmp_path / "data", "--dry-run")
    imported(file, tmp_path / "data")
    assert "identifiers that the store already has: 12" in imported(file, tmp_path / "data", "--dry-run")


def test_customers_become_contacts_with_traits_on_the_rows_own_identifier(file: Path, tmp_path: Path) -> None:
    report = imported(file, tmp_path / "data")
    assert "5 stored, 0 imported before" in report
    kinds = rows(tmp_path / "data", "SELECT kind, value, trust FROM identifiers WHERE contact = 1 AND kind != 'import_row'")
    assert sorted(kinds) == [("email", "anna@example.com", 2), ("phone", "+79161234567", 2), ("user_id", "1", 2)]
    traits = rows(
        tmp_path / "data",
        "SELECT i.kind, t.key, t.value, t.source, t.trust FROM traits AS t JOIN identifiers AS i ON i.id = t.identifier"
        " WHERE i.contact = 1",
    )
    assert ("import_row", "city", '"Казань"', "import", 2) in traits
    assert {kind for kind, *_ in traits} == {"import_row"}
    assert set(rows(tmp_path / "data", "SELECT rule FROM edges")) == {(IMPORT,)}
    at = rows(tmp_path / "data", "SELECT DISTINCT timestamp FROM events")
    assert at == [(file.stat().st_mtime_ns // 1_000,)]


def test_rows_that_fail_go_to_a_file_with_the_reason(file: Path, tmp_path: Path) -> None:
    imported(file, tmp_path / "data")
    rejects = (tmp_path / "customers.csv.rejects.csv").read_text("utf-8").splitlines()
    assert rejects[0] == "row,reason,ID,E-mail,Телефон,Город,Имя,Комментарий"
    assert rejects[1].startswith("5,No identifier that can be used. email: This value is a placeholder")
    assert rejects[2] == '6,"The row has 8 fields, the first line 6.",6,a,b,c,d,e,f,g'
    assert len(rejects) == 3


def test_importing_twice_changes_nothing_also_from_a_copy_with_another_date(file: Path, tmp_path: Path) -> None:
    imported(file, tmp_path / "data")
    before = whole_store(tmp_path / "data")
    copy = tmp_path / "copy.csv"
    copy.write_bytes(file.read_bytes())
    assert "0 stored, 5 imported before" in imported(copy, tmp_path / "data")
    assert whole_store(tmp_path / "data") == before


def test_the_same_file_read_another_way_is_another_import(file: Path, tmp_path: Path) -> None:
    imported(file, tmp_path / "data", mapping=("user_id=ID",))
    assert "6 stored" not in imported(file, tmp_path / "data")
    cities = rows(tmp_path / "data", "SELECT count(*) FROM traits WHERE key = 'city'")
    assert cities == [(5,)]


@pytest.mark.parametrize(
    ("said", "stored"),
    [("2026-01-02T03:04:05Z", 1767323045_000_000), ("02.01.2026", 1767312000_000_000), ("02.01.2026 03:04", 1767323040_000_000)],
)
def test_rows_have_their_own_time(tmp_path: Path, said: str, stored: int) -> None:
    path = tmp_path / "timed.csv"
    path.write_text(f"ID,when\n1,{said}\n2,soon\n", "utf-8")
    report = imported(path, tmp_path / "data", "--time-column", "when", mapping=("user_id=ID",))
    assert "'soon' is no time" in report
    assert rows(tmp_path / "data", "SELECT original_at, timestamp FROM events") == [(stored, stored)]


def test_json_lines_with_nested_values_and_several_identifiers_of_a_kind(tmp_path: Path) -> None:
    path = tmp_path / "customers.jsonl"
    lines = [
        {"id": 7, "mail": "a@example.com", "mail2": "b@example.com", "crm": "C-1", "address": {"city": "Казань"}, "n": 3},
        "no",
    ]
    path.write_bytes(b"\n".join(orjson.dumps(line) for line in lines))
    mapping = ("user_id=id", "email=mail", "email=mail2", "ext.crm=crm", "trait.city=address.city", "trait.orders=n")
    assert "1 × Not a JSON object." in imported(path, tmp_path / "data", mapping=mapping)
    found = rows(tmp_path / "data", "SELECT kind, value FROM identifiers WHERE kind != 'import_row' AND contact = 1")
    assert sorted(found) == [("email", "a@example.com"), ("email", "b@example.com"), ("ext.crm", "C-1"), ("user_id", "7")]
    assert ("orders", "3") in rows(tmp_path / "data", "SELECT key, value FROM traits")


def test_an_import_that_was_stopped_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "many.csv"
    path.write_text("ID\n" + "".join(f"u{number}\n" for number in range(1, 2_101)), "utf-8")
    commit, sent = SqliteLog.commit, list[int]()

    async def stop_at_the_third(self: SqliteLog, submission: Submission) -> Sequence[int]:
        if submission.records:
            sent.append(len(submission.records))
            if len(sent) == 3:
                raise StoreError("The disk went away.")
        return await commit(self, submission)

    monkeypatch.setattr(SqliteLog, "commit", stop_at_the_third)
    arguments = ["import", path, "--data", tmp_path / "data", "--region", "RU", "--map", "user_id=ID"]
    assert tropa(*arguments).exit_code != 0
    (checkpoint,) = (tmp_path / "data" / "imports").iterdir()
    assert orjson.loads(checkpoint.read_bytes()) == {"rows": 2 * importing.BATCH_ROWS}
    monkeypatch.setattr(SqliteLog, "commit", commit)
    report = tropa(*arguments).output
    assert "Going on after row 1000" in report
    assert "1100 stored, 0 imported before" in report
    assert rows(tmp_path / "data", "SELECT count(*) FROM identifiers WHERE kind = 'user_id'") == [(2_100,)]
    assert not list((tmp_path / "data" / "imports").iterdir())


def test_a_split_takes_the_import_away_with_its_traits(tmp_path: Path) -> None:
    path = tmp_path / "phones.csv"
    path.write_text("Телефон,Имя\n8 916 123-45-67,Анна\n", "utf-8")
    with CollectorProcess(tmp_path / "data") as process:
        mapping = ["--map", "phone=Телефон", "--map", "trait.name=Имя", "--region", "RU"]
        result = tropa(
            "import", path, "--data", process.data, "--admin", process.admin_url, "--token", process.admin_token, *mapping
        )
        assert "1 stored" in result.output, result.output
        assert (
            "1 imported before"
            in tropa(
                "import", path, "--data", process.data, "--admin", process.admin_url, "--token", process.admin_token, *mapping
            ).output
        )
        call = {
            "event": "Call Received",
            "userId": "u1",
            "messageId": "c1",
            "context": {"externalIds": [{"type": "phone", "id": "+79161234567"}]},
        }
        assert process.post("/v1/track", call)[0] == 200
        person = process.admin("/api/v1/contacts/user_id:u1")
        assert person["traits"]["name"] == "Анна"
        assert person["trait_details"]["name"]["source"] == "import"
        (row,) = [one["value"] for one in person["identifiers"] if one["kind"] == "import_row"]
        body = {"identifiers": [f"import_row:{row}"], "actor": "test", "reason": "wrong list"}
        process.admin("/api/v1/contacts/user_id:u1/split", method="POST", body=body)
        after = process.admin("/api/v1/contacts/user_id:u1")
        assert "name" not in after["traits"]
        assert "import_row" not in {one["kind"] for one in after["identifiers"]}


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"import": "x", "at": "2026-01-01", "rows": []}, {"import": "../x", "at": "2026-01-01", "rows": [{"row": 1}]},
        {"import": "x", "at": "soon", "rows": [{"row": 1}]}, {"import": "x", "at": "2026-01-01", "rows": [{"row": 0}]},
        {"import": "x", "at": "2026-01-01", "rows": [{"row": 1, "traits": 7}]},
        {"import": "x", "at": "2026-01-01", "rows": [{"row": 1, "timestamp": 7}]},
        {"import": "x", "at": "2026-01-01", "region": "Russia", "rows": [{"row": 1}]},
    ],
)  # fmt: skip
def test_a_request_of_another_shape_is_refused(shared_collector: CollectorProcess, body: Any) -> None:
    headers = {"Authorization": f"Bearer {shared_collector.admin_token}"}
    status, answer = shared_collector.request("POST", "/api/v1/import", orjson.dumps(body), headers=headers, admin=True)
    assert (status, orjson.loads(answer)["code"]) == (400, "bad_import")


class NarrowLog(MemoryStore):
    """A queue with room for one submission."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def operate(self, operation: Operation) -> None:
        self.asked.append(operation.name)
        if len(self.asked) == 1:
            raise Unavailable("More events are waiting for the disk than it takes in time.")


def test_rows_whose_traits_found_no_room_beside_them_are_stored_once_and_counted_so() -> None:
    log, counters, settings = NarrowLog(), Counters(), Settings()
    one = customer(1, {"type": "identify", "userId": "1", "traits": {"name": "Анна"}}, import_scope(settings))
    importer = Importer(settings, log, counters)
    assert asyncio.run(importer.store(Batch("i", 1, [one]))) == Imported(1, 0, [])
    assert log.asked == ["hang_import_traits"] * 2
    assert counters.outcomes["import", "stored"] == 1


def test_who_was_imported_is_listed_as_last_seen_when_his_row_says(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_text("ID;Когда\n1;31.12.2024\n", "utf-8")
    imported(path, tmp_path / "data", "--time-column", "Когда", mapping=["user_id=ID"])
    assert rows(tmp_path / "data", "SELECT DISTINCT last_day FROM identifiers") == [(20_088,)]


def test_the_first_of_many_imported_rows_is_erased_without_a_trace(tmp_path: Path) -> None:
    """The number of row 1 is the beginning of the numbers of rows 10 and 11, which stay."""
    path = tmp_path / "many.csv"
    path.write_text("E-mail\n" + "".join(f"customer{number}@example.com\n" for number in range(1, 12)), "utf-8")
    imported(path, tmp_path / "data", mapping=["email=E-mail"])
    erased = tropa("contacts", "erase", "email:customer1@example.com", "--data", tmp_path / "data", "--yes")
    assert (erased.exit_code, "left over: 0" in erased.output) == (0, True), erased.output
