"""A store with damaged pages: the collector says so, or serves on; what it acknowledges is there, and nothing hangs."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.faults.corruption import corrupt
from loadtests.oracle.issuer import Issuer
from loadtests.oracle.table import Row, none_of
from tropa_collector.store.sqlite.file import FILE_NAME

TEST = "corrupted file"
EVENTS_BEFORE, REQUESTS = 2_000, 40
PAGES_STRUCK = 3
NAMED = ("is damaged", "could not commit")


@dataclass(slots=True)
class Seen:
    """Over all the files."""

    ends: Counter[str] = field(default_factory=Counter)
    false: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


async def prove(directory: Path, *, files: int, seed: int = 1) -> list[Row]:
    """One sound store, copied; each copy with other pages damaged, the first in its header."""
    sound = directory / "sound"
    with CollectorProcess(sound) as collector:
        issuer = Issuer(collector.port, collector.server_key, run="before")
        issuer.start()
        await issuer.until(EVENTS_BEFORE, seconds=30)
        await issuer.finish()
        await asyncio.to_thread(collector.stop)
    with sqlite3.connect(sound / FILE_NAME) as connection:  # or the log's sound pages would stand over the damaged ones
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    seen = Seen()
    for number in range(files):
        copy = directory / f"copy-{number}"
        shutil.copytree(sound, copy)
        corrupt(copy / FILE_NAME, random.Random(f"{seed}/{number}"), pages=PAGES_STRUCK, header=number == 0)
        await asyncio.to_thread(_serve, copy, seen, number)
    ends = ", ".join(f"{times} {end}" for end, times in seen.ends.most_common())
    done = f"{files} copies with {PAGES_STRUCK} pages damaged: {ends}"
    return [
        none_of(TEST, done, len(seen.false), f"acknowledged and not there {seen.false[:2] or ''}"),
        none_of(TEST, "what failed without saying what", len(seen.silent), f"silent {seen.silent[:2] or ''}"),
    ]


def _serve(data: Path, seen: Seen, number: int) -> None:
    collector, acknowledged, refused = CollectorProcess(data), [], 0
    try:
        collector.start()
    except (RuntimeError, TimeoutError) as error:
        seen.ends["refused to open"] += 1
        if isinstance(error, TimeoutError) or not _is_named(collector) or "Traceback" in collector.log_tail():
            seen.silent.append(f"copy {number}: {collector.log_tail()[-200:]}")
        collector.__exit__()
        return
    for name in (f"after-{number}-{request}" for request in range(REQUESTS)):
        event = {"type": "track", "event": "After", "messageId": name, "userId": name}
        status, _ = collector.post("/v1/track", event)
        acknowledged += [name] if status == 200 else []
        refused += status != 200
    collector.__exit__()
    seen.ends["served on" if not refused else "answered 503 from some moment on"] += 1
    if refused and not _is_named(collector):
        seen.silent.append(f"copy {number}: {collector.log_tail()[-200:]}")
    seen.false.extend(sorted(set(acknowledged) - set(_readable(data))))


def _is_named(collector: CollectorProcess) -> bool:
    log = collector.log_file.read_text("utf-8").lower()
    return any(word in log for word in NAMED)


def _readable(data: Path) -> Iterator[str]:
    """Ids in what can still be read of the table, from its newest end."""
    connection = sqlite3.connect(data / FILE_NAME)
    try:
        for (name,) in connection.execute("SELECT message_id FROM events ORDER BY id DESC"):
            yield name
    except sqlite3.DatabaseError:
        return
    finally:
        connection.close()
