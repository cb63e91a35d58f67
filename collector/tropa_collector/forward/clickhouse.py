"""``type = "clickhouse"``: events, changes and the identifiers that resolve contacts, over ClickHouse's HTTP interface.

One insert a batch, with a deduplication token: a batch that was committed and answered 500 is dropped by the server when it
comes again. Tables are made by the numbered files of ``clickhouse_migrations``. An erasure deletes the person's rows here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any, ClassVar, Final, Literal, Self

import orjson
from pydantic import Field

from tropa_collector.forward.destination import Batch, Destination, Options, Surroundings
from tropa_collector.forward.egress import Egress, HttpOptions, Reply, expect_taken
from tropa_collector.forward.rows import change_row, contact_number, event_row
from tropa_collector.store.protocol import IdentifierRow

_TIMES: Final = frozenset(("received_at", "timestamp", "original_at", "at", "shared_from", "known_from"))
_REMEMBERED: Final = 100_000  # identifiers that are there as they are now
_INSERT: Final = {"async_insert": "0", "date_time_input_format": "basic"}


class ClickHouseOptions(HttpOptions):
    """A table of ``type = "clickhouse"``. ``url`` is that of the HTTP interface, such as ``http://clickhouse:8123``."""

    allow_private: bool = True  # it is the operator's own
    changes: Literal[True] = True  # without them no merge and no erasure would arrive
    database: str = Field(default="tropa", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
    user: str = "default"
    password: str = ""
    timeout_seconds: float = Field(default=60.0, gt=0, le=600)
    batch_events: int = Field(default=5_000, ge=1, le=10_000)
    batch_bytes: int = Field(default=16_000_000, ge=1_000, le=64_000_000)
    linger_seconds: float = Field(default=1.0, ge=0, le=3_600)


class ClickHouse(Destination):
    """One database, which belongs to one collector's log."""

    options: ClassVar[type[Options]] = ClickHouseOptions
    wants_identifiers: ClassVar[bool] = True

    def __init__(self, options: ClickHouseOptions) -> None:
        self._url = options.url.rstrip("/") + "/"
        self._database = options.database
        self._headers = {"X-ClickHouse-User": options.user, "X-ClickHouse-Key": options.password}
        self._egress = Egress(options)
        self._migrated = False
        self._there: dict[int, IdentifierRow] = {}

    @classmethod
    def open(cls, options: ClickHouseOptions, surroundings: Surroundings) -> Self:
        return cls(options)

    async def deliver(self, batch: Batch) -> bool:
        try:
            if not self._migrated:
                await self._migrate()
            await self._insert_identifiers(batch.identifiers)
            if batch.stream == "events":
                await self._insert("events", map(event_row, batch.entries), token=batch.id)
            else:
                await self._insert("changes", map(change_row, batch.entries), token=batch.id)
                await self._erase(batch)
        except Exception:
            self._migrated = False  # perhaps somebody dropped a table, or put another server in its place
            self._there.clear()
            raise
        return True

    async def close(self) -> None:
        await self._egress.close()

    async def _insert_identifiers(self, rows: Iterable[IdentifierRow]) -> None:
        """Without a token: when they come again they may say more. Those that are there as they are now are left out."""
        new = [row for row in rows if not _same(self._there.get(row.id), row)]
        if not new:
            return
        await self._insert("identifiers", (row._asdict() for row in new))
        if len(self._there) + len(new) > _REMEMBERED:
            self._there.clear()
        self._there.update((row.id, row) for row in new)

    async def _insert(self, table: str, rows: Iterable[Mapping[str, Any]], *, token: str = "") -> None:
        body = b"\n".join([orjson.dumps({name: _value(name, value) for name, value in row.items()}) for row in rows])
        settings = _INSERT | ({"insert_deduplication_token": token} if token else {})
        expect_taken(await self._ask(f"INSERT INTO {table} FORMAT JSONEachRow", body, settings))

    async def _erase(self, batch: Batch) -> None:
        """Of an erased person the events, what was told of them, and older rows of their identifiers are deleted here too."""
        for entry in batch.entries:
            if entry.record["type"] != "contact_erased":
                continue
            contact, erased = contact_number(entry.record["contact_id"]), entry.record.get("erased")
            own = [row for row in batch.identifiers if row.contact == contact]
            if erased:  # a device that somebody else used too is theirs now, without its events up to then
                anchored = f"identifier IN ({_listed(erased['identifiers'])}) AND position <= {erased['through']:d}"
                await self._command(f"ALTER TABLE events DELETE WHERE {anchored}")
            if own:
                older = f"id IN ({_listed(row.id for row in own)}) AND version < {own[0].version}"
                await self._command(f"ALTER TABLE identifiers DELETE WHERE {older}")
            known = _listed(await self._merged(contact))
            told = f"(contact IN ({known}) OR other_contact IN ({known})) AND type != 'contact_erased'"
            await self._command(f"ALTER TABLE changes DELETE WHERE {told}")

    async def _merged(self, contact: int) -> set[int]:
        """A contact and all that were merged into it, and into these."""
        found, new = {contact}, {contact}
        while new:
            merges = f"type = 'contact_merged' AND contact IN ({_listed(new)})"
            reply = await self._command(f"SELECT DISTINCT other_contact FROM changes WHERE {merges} FORMAT TabSeparated")
            new = set(map(int, reply.body.split())) - found
            found |= new
        return found

    async def _command(self, query: str, *, database: str | None = None) -> Reply:
        reply = await self._ask(query, database=database)
        expect_taken(reply)
        return reply

    async def _migrate(self) -> None:
        """Bring the tables up to date. Every statement may be run twice."""
        await self._command(f"CREATE DATABASE IF NOT EXISTS {self._database}", database="default")
        table = "CREATE TABLE IF NOT EXISTS migrations (number UInt32, name String, applied_at DateTime DEFAULT now())"
        await self._command(f"{table} ENGINE = ReplacingMergeTree ORDER BY number")
        current = int((await self._command("SELECT max(number) FROM migrations FORMAT TabSeparated")).body)
        for number, name, script in migrations():
            if number > current:
                for statement in statements(script):
                    await self._command(statement)
                await self._insert("migrations", [{"number": number, "name": name}])
        self._migrated = True

    async def _ask(
        self, query: str, body: bytes = b"", settings: Mapping[str, str] | None = None, *, database: str | None = None
    ) -> Reply:
        parameters = {"database": database or self._database, "query": query, **(settings or {})}
        return await self._egress.post(self._url, body, self._headers, parameters)


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL) of every migration, in order."""
    folder = files("tropa_collector.forward").joinpath("clickhouse_migrations")
    found = [(int(item.name[:4]), item.name, item.read_text("utf-8")) for item in folder.iterdir() if item.name.endswith(".sql")]
    return sorted(found)


def statements(script: str) -> Iterator[str]:
    """The statements of a script: each ends with a semicolon at the end of a line."""
    for statement in script.split(";\n"):
        if any(line and not line.startswith("--") for line in statement.splitlines()):
            yield statement


def _same(there: IdentifierRow | None, row: IdentifierRow) -> bool:
    return there is not None and there[:-1] == row[:-1]


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


def _value(name: str, value: Any) -> Any:
    return value / 1e6 if name in _TIMES and value is not None else value  # seconds: exact to the microsecond until 2255
