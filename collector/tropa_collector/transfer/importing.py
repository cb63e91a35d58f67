"""One import from its file to the store: row by row, batch by batch, resumable, with a file of what could not be taken."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TextIO

from tropa_collector.errors import Unavailable
from tropa_collector.events.timestamps import to_iso
from tropa_collector.identity.identifiers import Scope
from tropa_collector.metrics import Counters
from tropa_collector.settings import Settings
from tropa_collector.store.opened import store_of
from tropa_collector.transfer.admin_client import AdminApi
from tropa_collector.transfer.customers import Row, Survey, rows
from tropa_collector.transfer.imports import NO_IDENTIFIER, Batch, Customer, Imported, Importer, customer
from tropa_collector.transfer.mapping import Columns, TimeError, identify_call
from tropa_collector.transfer.report import Report

BATCH_ROWS: Final = 500
ADMIN_BATCH_ROWS: Final = 200  # the collector reads them on its event loop, between its visitors' events
_TOO_LARGE: Final = "The row is larger than max_event_bytes."
_TRIES: Final = 60

Send = Callable[[Batch], Awaitable[Imported]]


class Job(NamedTuple):
    """A file, how it is read, and the name of the import that this makes: the same file read the same way is the same import."""

    path: Path
    found: Survey
    columns: Columns
    scope: Scope
    at: int  # of rows that say no time: the file's own

    @property
    def import_id(self) -> str:
        said = [self.found.digest, self.found.encoding, self.found.delimiter, self.scope.default_region, self.columns]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]

    def customers(self, report: Report, rejects: Rejects, at_byte: Callable[[int], None], *, after: int = 0) -> Iterator[Customer]:
        """The rows that can be imported, counted in the report; the others go to ``rejects``."""
        for row in rows(self.path, self.found, at_byte):
            if row.number <= after:
                continue
            read, why = self._read(row)
            if read is None or why:
                report.reject(why, read)
                rejects.add(row.number, why, row)
                continue
            report.look(read)
            yield read

    def _read(self, row: Row) -> tuple[Customer | None, str]:
        if row.fault:
            return None, row.fault
        try:
            call = identify_call(row.cells, self.columns)
        except TimeError as error:
            return None, str(error)
        read = customer(row.number, call, self.scope)
        if read.found.identifiers:
            return read, ""
        reasons = [f"{refusal.kind}: {refusal.message}" for refusal in read.found.refusals]
        return read, " ".join([NO_IDENTIFIER, *reasons])


class Rejects(AbstractContextManager["Rejects"]):
    """The file beside the customers' own that takes their rows as they were, with the reason; made with its first row."""

    def __init__(self, path: Path | None, found: Survey) -> None:
        self.path = path
        self._found = found
        self._file: TextIO | None = None

    def add(self, number: int, why: str, row: Row | None) -> None:
        if self.path is None:
            return
        if self._file is None:
            new = not self.path.exists()
            self._file = os.fdopen(
                os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="utf-8", newline=""
            )
            if new:
                csv.writer(self._file).writerow(
                    ["row", "reason", *(self._found.columns if self._found.form == "csv" else ("line",))]
                )
        csv.writer(self._file).writerow([number, why, *(row.raw if row is not None else ())])

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


class Checkpoint:
    """How far an import came: a small file in the data directory, named after the import. It holds no customer's data."""

    def __init__(self, directory: Path, import_id: str) -> None:
        self._path = directory / "imports" / f"{import_id}.json"

    @property
    def rows(self) -> int:
        try:
            return int(json.loads(self._path.read_text("utf-8"))["rows"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0  # at worst rows are sent again, which changes nothing

    def reach(self, number: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps({"rows": number}), "utf-8")
        partial.replace(self._path)

    def done(self) -> None:
        self._path.unlink(missing_ok=True)


class Sender(AbstractContextManager["Sender"]):
    """Batches on their way: while one is being committed, the next is read."""

    def __init__(self, job: Job, send: Send, checkpoint: Checkpoint, *, batch_rows: int) -> None:
        self.total = Imported(0, 0, [])
        self._job, self._send, self._checkpoint, self._batch_rows = job, send, checkpoint, batch_rows
        self._waiting: list[Customer] = []
        self._under_way: asyncio.Task[Imported] | None = None
        self._reached = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._under_way is not None:
            self._under_way.cancel()

    async def add(self, one: Customer) -> None:
        self._waiting.append(one)
        if len(self._waiting) >= self._batch_rows:
            await self.flush()

    async def flush(self) -> None:
        """Let the batch before arrive, then send what waits."""
        await self.arrive()
        if self._waiting:
            batch = Batch(self._job.import_id, self._job.at, self._waiting)
            self._reached, self._waiting = self._waiting[-1].row, []
            self._under_way = asyncio.create_task(_patiently(self._send, batch))
            await asyncio.sleep(0)  # it starts now, not when the next batch has been read

    async def arrive(self) -> None:
        if self._under_way is not None:
            self.total = self.total.plus(await self._under_way)
            self._under_way = None
            self._checkpoint.reach(self._reached)


async def _patiently(send: Send, batch: Batch) -> Imported:
    """A store that is behind is asked again: a repeated batch changes nothing.

    Raises:
        Unavailable: it did not recover within a minute.
    """
    for _ in range(_TRIES):
        try:
            return await send(batch)
        except Unavailable as error:
            await asyncio.sleep(error.retry_after_seconds or 1)
    return await send(batch)


def over_admin(api: AdminApi, region: str | None) -> Send:
    """Batches to the collector that holds the data directory."""

    async def send(batch: Batch) -> Imported:
        listed = [{"row": one.row, **one.call} for one in batch.customers]
        body = {"import": batch.import_id, "at": to_iso(batch.at), "region": region, "rows": listed}
        said: dict[str, Any] = await asyncio.to_thread(api.ask, "POST", "/api/v1/import", body)
        return Imported(said["stored"], said["duplicates"], said["too_large"])

    return send


async def run(  # noqa: PLR0913 - the ends of one import
    job: Job, send: Send, report: Report, rejects: Rejects, checkpoint: Checkpoint,
    *, at_byte: Callable[[int], None], batch_rows: int = BATCH_ROWS,
) -> Imported:  # fmt: skip
    """Import the file from where an earlier run of the same import stopped."""
    with Sender(job, send, checkpoint, batch_rows=batch_rows) as sender:
        for one in job.customers(report, rejects, at_byte, after=checkpoint.rows):
            await sender.add(one)
        await sender.flush()
        await sender.arrive()
    for row in sender.total.too_large:
        report.reject(_TOO_LARGE)
        rejects.add(row, _TOO_LARGE, None)
    checkpoint.done()
    return sender.total


async def run_offline(  # noqa: PLR0913 - the ends of one import
    settings: Settings, job: Job, report: Report, rejects: Rejects, checkpoint: Checkpoint, *, at_byte: Callable[[int], None]
) -> Imported:
    """Import into a store that no collector holds.

    Raises:
        StoreError: it does not open.
    """
    log = store_of(settings).log
    await log.start()
    try:
        send = Importer(settings, log, Counters()).store
        return await run(job, send, report, rejects, checkpoint, at_byte=at_byte)
    finally:
        await log.stop(seconds=settings.drain_seconds)
