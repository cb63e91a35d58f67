"""The judge: acknowledged ⊆ stored ⊆ issued, contents equal, each once, every sum adding up, and the file sound."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson

from loadtests.oracle.issuer import Ledger, event_of
from loadtests.oracle.table import Row
from tropa_collector.store.connection import Connection
from tropa_collector.store.sqlite.file import FILE_NAME, open_reading

_SOURCE = re.compile(r'source="([^"]*)"')
_COLLECTORS_OWN = "enriched"


@dataclass(frozen=True, slots=True)
class Findings:
    """What is on disk against what the ledger says."""

    issued: int
    acknowledged: int
    stored: int
    lost: tuple[int, ...]
    foreign: tuple[str, ...]
    twice: tuple[int, ...]
    altered: tuple[int, ...]
    false_answers: tuple[str, ...]
    integrity: str
    equation: str  # empty when it holds

    def rows(self, test: str, done: str) -> list[Row]:
        asked = f"{done}; {self.acknowledged} acknowledged of {self.issued}"
        broken_file = "" if self.integrity == "ok" else self.integrity
        return [
            Row(test, asked, f"{len(self.lost)} lost {_some(self.lost)}", "0 lost", not self.lost),
            Row(test, asked, f"{len(self.twice)} stored twice {_some(self.twice)}", "0 twice", not self.twice),
            Row(test, asked, f"{len(self.altered)} altered {_some(self.altered)}", "0 altered", not self.altered),
            Row(test, asked, f"{len(self.foreign)} never sent {_some(self.foreign)}", "0 never sent", not self.foreign),
            Row(test, asked, f"{len(self.false_answers)} wrong answers {_some(self.false_answers)}", "0", not self.false_answers),
            Row(test, "the store's own check of its files", self.integrity, "ok", not broken_file),
            Row(test, "rows against roll-ups, counters and names", self.equation or "equal", "equal", not self.equation),
        ]


def _some(values: tuple[int, ...] | tuple[str, ...]) -> str:
    return f"({', '.join(map(str, values[:3]))}{', …' if len(values) > 3 else ''})" if values else ""


def examine(directory: Path, ledger: Ledger) -> Findings:
    """Look at the file of a data directory, whether a collector runs over it or not. Events of other runs are not looked at."""
    with closing(open_reading(directory / FILE_NAME)) as connection:
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
        return compare(connection, ledger, integrity)


def compare(connection: Connection, ledger: Ledger, integrity: str) -> Findings:
    """Look at a store through any connection."""
    found, altered, foreign = Counter[int](), [], []
    for number, text, body in _stored(connection, ledger.run):
        if number is None or number >= ledger.issued:
            foreign.append(text)
            continue
        found[number] += 1
        event = orjson.loads(body)
        del event[_COLLECTORS_OWN]
        if event != event_of(ledger.run, number):
            altered.append(number)
    return Findings(
        issued=ledger.issued,
        acknowledged=len(ledger.acknowledged),
        stored=len(found),
        lost=tuple(sorted(ledger.acknowledged - set(found))),
        foreign=tuple(foreign),
        twice=tuple(number for number, times in found.items() if times > 1),
        altered=tuple(altered),
        false_answers=tuple(ledger.false),
        integrity=str(integrity),
        equation=_disk_equation(connection),
    )


def _stored(connection: Connection, run: str) -> Iterator[tuple[int | None, str, str]]:
    sql = "SELECT message_id, body FROM events WHERE message_id >= ? AND message_id < ?"
    for message_id, body in connection.execute(sql, (f"{run}-", f"{run}.")):
        text = message_id.rpartition("-")[2]
        yield int(text) if text.isdigit() else None, message_id, body


def _disk_equation(connection: Connection) -> str:
    """Every row was counted in the commit that wrote it: the roll-ups know how many there must be."""
    counted = dict(connection.execute("SELECT outcome, sum(count) FROM rollups GROUP BY outcome"))
    figures = dict(connection.execute("SELECT name, value FROM counters"))
    (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
    (held,) = connection.execute("SELECT count(*) FROM quarantine").fetchone()
    kept, refused = events + figures["events_purged"], held + figures["quarantine_dropped"] + figures["quarantine_released"]
    unequal = []
    if counted.get(0, 0) != kept:
        unequal.append(f"{counted.get(0, 0)} events counted, {kept} stored")
    if counted.get(2, 0) != refused:
        unequal.append(f"{counted.get(2, 0)} quarantined counted, {refused} held, dropped or released")
    unequal += _misnamed(connection)
    return "; ".join(unequal)


def _misnamed(connection: Connection) -> Iterator[str]:
    """By value there is each identifier that there is by id, and one of a name: the embedded store has no index that says so."""
    (by_id,) = connection.execute("SELECT count(*) FROM identifiers").fetchone()
    own = "LEFT JOIN identifiers AS i ON i.id = v.id AND i.value = v.value"
    sql = f"SELECT count(*), count(i.id) FROM identifiers_by_value AS v {own}"
    by_value, rightly = connection.execute(sql).fetchone()
    (apart,) = connection.execute("SELECT count(*) FROM (SELECT DISTINCT kind, value FROM identifiers) AS named").fetchone()
    if by_value != by_id or rightly != by_id:
        yield f"{by_id} identifiers, {by_value} found by value, {rightly} of them by their own"
    if apart != by_id:
        yield f"{by_id} identifiers of {apart} names"


def conservation(metrics: Mapping[str, float]) -> list[str]:
    """Sources of a ``/metrics`` document whose received events did not all end in exactly one place."""
    received, ended = Counter[str](), Counter[str]()
    for name, value in metrics.items():
        source = _SOURCE.search(name)
        if source is None:
            continue
        if name.startswith("tropa_events_received_total"):
            received[source[1]] += int(value)
        elif name.startswith(("tropa_events_total", "tropa_events_in_flight")):
            ended[source[1]] += int(value)
    unequal = [source for source in received | ended if received[source] != ended[source]]
    return [f"{source}: {received[source]} received, {ended[source]} accounted for" for source in unequal]


def conservation_row(test: str, metrics: Mapping[str, float]) -> Row:
    unequal = conservation(metrics)
    events = int(sum(value for name, value in metrics.items() if name.startswith("tropa_events_received_total")))
    done = f"received = stored + duplicate + quarantined + refused + in flight over {events} events in /metrics"
    return Row(test, done, "; ".join(unequal) or "equal", "equal", not unequal and events > 0)
