"""Power cuts: one run under load, its writes and syncs journalled, and then a thousand moments at which the power went.

At each moment the disk holds what was synced and any part of the rest; the product opens that, and every event that was
acknowledged before the moment must be there, once, in a sound file.
"""

from __future__ import annotations

import asyncio
import bisect
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.faults.file_layer import FileLayer, Operation
from loadtests.oracle.faults.kill import KillCollector
from loadtests.oracle.faults.power_cut import Disk
from loadtests.oracle.issuer import Issuer, Ledger
from loadtests.oracle.judge import examine
from loadtests.oracle.table import Row, none_of
from tropa_collector.store.sqlite.file import FILE_NAME, connect
from tropa_collector.store.sqlite.migrate import migrate
from tropa_collector.store.sqlite.writing.transaction import Transaction

TEST = "power cut"
EVENTS = 2_000
PARTS = 3  # of the run: between them the collector is killed and started again
LOOKED_AT_WHOLLY = 20  # one image in so many: contents and sums too
EARLY = "loadtests.oracle.variants.early_checkpoints"


@dataclass(slots=True)
class Losses:
    """Over all cuts."""

    obligations: int = 0
    lost: int = 0
    cuts_with_loss: int = 0
    twice: int = 0
    unsound: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)  # of the operation that the power went before


async def prove(directory: Path, *, cuts: int, events: int = EVENTS, module: str = EARLY, seed: int = 1) -> list[Row]:
    """Run once, cut often."""
    data = directory / "data"
    data.mkdir(parents=True)
    layer = FileLayer(directory / "layer", data, journals=True)
    ledger = await _run(CollectorProcess(data, module=module, environment=layer.environment), events)
    operations = list(layer.journal())
    dice = random.Random(seed)
    first = next(place for place, operation in enumerate(operations) if operation.path.endswith(FILE_NAME))
    moments = sorted(dice.randrange(first, len(operations)) for _ in range(cuts))
    losses = await asyncio.to_thread(_judge_all, directory, operations, ledger, moments, dice)
    syncs = sum(operation.kind == "S" for operation in operations)
    done = (
        f"{cuts} cuts in {len(operations)} file operations ({syncs} syncs), {len(ledger.acknowledged)} events; the power went"
        f" before {', '.join(f'{number} {kind}' for kind, number in losses.kinds.most_common())}"
    )
    return [
        Row(
            TEST,
            done,
            f"{losses.lost} lost of {losses.obligations} obligations, in {losses.cuts_with_loss} cuts",
            "0 lost",
            losses.lost == 0 and losses.obligations > 0,
        ),
        none_of(TEST, "over all cuts", losses.twice, "stored twice"),
        Row(
            TEST,
            f"integrity_check of each image, contents and sums of one in {LOOKED_AT_WHOLLY}",
            losses.unsound[0] if losses.unsound else "all sound",
            "all sound",
            not losses.unsound,
        ),
    ]


async def _run(collector: CollectorProcess, events: int) -> Ledger:
    with collector:
        issuer = Issuer(collector.port, collector.server_key, run="power", senders=8)
        issuer.start()
        for number in range(PARTS):
            await issuer.until(events // PARTS, seconds=30)
            if number < PARTS - 1:
                await KillCollector().strike(collector)
        await issuer.finish()
        await asyncio.to_thread(collector.stop)
    return issuer.ledger


def _judge_all(directory: Path, operations: list[Operation], ledger: Ledger, moments: list[int], dice: random.Random) -> Losses:
    """Walk through the journal once, stopping at each cut."""
    data, image = directory / "data", directory / "image"
    losses, disk, fed = Losses(), Disk(data), 0
    for number, cut in enumerate(moments):
        for operation in operations[fed:cut]:
            disk.feed(operation)
        fed = cut
        losses.kinds[_named(operations[cut], data)] += 1
        _lay_out(image, disk, dice)
        _judge(image, _promised(ledger, operations[cut].at), losses, ledger if number % LOOKED_AT_WHOLLY == 0 else None)
    return losses


def _named(operation: Operation, data: Path) -> str:
    words = {"W": "writes to", "T": "truncations of", "S": "syncs of", "C": "creations of", "U": "removals of", "R": "renamings of"}
    name = operation.path[len(str(data.resolve())) + 1 :] or "the directory"
    shown = {FILE_NAME: "the file", f"{FILE_NAME}-wal": "the log"}.get(name, name)
    return f"{words[operation.kind]} {shown}"


def _promised(ledger: Ledger, moment: float) -> set[int]:
    """Ids whose 200 had arrived at that moment."""
    answered = bisect.bisect_left(ledger.moments, (moment,))
    return {number for _, numbers in ledger.moments[:answered] for number in numbers}


def _lay_out(image: Path, disk: Disk, dice: random.Random) -> None:
    shutil.rmtree(image, ignore_errors=True)
    image.mkdir()
    for name, content in disk.after_cut(dice).items():
        (image / name).write_bytes(content)


def _judge(image: Path, due: set[int], losses: Losses, whole: Ledger | None) -> None:
    """Open the image as the product does, and look for what was promised."""
    try:
        connection = connect(image / FILE_NAME, synchronous="OFF")  # a copy: nothing more will happen to it
        migrate(connection)
        Transaction(connection)
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
        found = Counter(_numbers(connection))
        connection.close()
    except sqlite3.Error as error:
        losses.unsound.append(f"{error} with {len(due)} promised")
        return
    missing = due - found.keys()
    losses.obligations += len(due)
    losses.lost += len(missing)
    losses.cuts_with_loss += bool(missing)
    losses.twice += sum(times > 1 for times in found.values())
    if integrity != "ok":
        losses.unsound.append(integrity)
    if whole is not None:
        findings = examine(image, Ledger(whole.run, whole.issued, due))
        wrong = [row.figure for row in findings.rows(TEST, "")[2:] if not row.holds]
        losses.unsound.extend(wrong)


def _numbers(connection: sqlite3.Connection) -> Iterator[int]:
    for (text,) in connection.execute("SELECT message_id FROM events"):
        yield int(text.rpartition("-")[2])
