"""Bodies for wrk that are new each time they are sent: tokens stand in them, and wrk's script fills them in (``wrk.py``).

``@I@`` is what no other send has, ``@V@`` a visitor who is new each time the bodies have gone round, ``@T…@`` the millisecond
of the moment under a clock that is some seconds off, as real ones are. The bodies are a circle: who is in the middle of a
visit when they end (``@V@``) goes on where they begin again (``@W@``).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from loadtests.bodies import Visitor

BATCH_EVENTS = 100
BODIES = {"single": 8_000, "batch": 160}
EVENTS_A_VISIT = 10
CENTRE_MS = 20_000  # of a clock token: how far ahead it is, and no minus sign
_NOW = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)  # what the clock tokens replace
_TIME = re.compile(r"2001-02-03T04:05:06\.([0-9]{3})Z")
_TOKEN = re.compile("@([A-Z])[0-9]*@")
_FILLED = {"I": 16 * "0", "V": 13 * "0", "W": 13 * "0", "T": 23 * "0"}  # as long as what the script puts there
_HOT = {"anonymousId": "hot-visitor", "userId": "u-hot", "traits": {"email": "u-hot@example.com", "name": "Anna"}}
Event = dict[str, Any]


def usual(event: Event, _: int) -> Event:
    """Ten events a visitor, the last an identify."""
    return event


def strangers(event: Event, number: int) -> Event:
    """Each event is a visitor's first and last."""
    return orjson.loads(re.sub("@[VW]@", f"@I@-{number}", orjson.dumps(event).decode()))  # type: ignore[no-any-return]


def hot(event: Event, number: int) -> Event:
    """Nine of ten events are one contact's."""
    return event if number % 10 == 0 else event | {name: value for name, value in _HOT.items() if name in event}


def events(seed: int, count: int, *, concurrent: int = 400) -> Iterator[Event]:
    """Visitors who browse at the same time, ten events each, the last an identify, with tokens for what must be new.

    ``count`` holds whole visits of each place: the visit that is cut by the end begins in the round before (``@W@``).
    """
    dice = random.Random(seed)
    visits = count // (EVENTS_A_VISIT * concurrent)
    if visits * EVENTS_A_VISIT * concurrent != count:
        raise ValueError(f"{count} events are no whole visits of {concurrent} visitors at a time")
    people = [[(Visitor(dice, unique="@V@", clock_seconds=0), _clock_ms(dice)) for _ in range(visits)] for _ in range(concurrent)]
    at = [dice.randrange(EVENTS_A_VISIT) for _ in range(concurrent)]
    began_before = [position > 0 for position in at]
    turns = [place for place in range(concurrent) for _ in range(EVENTS_A_VISIT * visits)]
    dice.shuffle(turns)
    for number, place in enumerate(turns):
        visit, position = divmod(at[place], EVENTS_A_VISIT)
        visitor, clock_ms = people[place][visit % visits]
        event = visitor.event(position, now=_NOW) | {"messageId": f"@I@-{number}"}
        ended = position == EVENTS_A_VISIT - 1
        visitor.known = visitor.known and not ended  # his place in the next round is somebody else's
        sent_ms = CENTRE_MS + clock_ms + number % BATCH_EVENTS  # the events of a batch happened one after the other
        text = orjson.dumps(event).decode()
        text = _TIME.sub(lambda found, sent_ms=sent_ms: f"@T{sent_ms + int(found[1])}@Z", text)  # type: ignore[misc]
        yield orjson.loads(text.replace("@V@", "@W@") if visit == 0 and began_before[place] else text)
        at[place] += 1


def _clock_ms(dice: random.Random) -> int:
    return max(-9_000, min(9_000, round(dice.gauss(0, 2_000))))


def write_bodies(directory: Path, mix: Callable[[Event, int], Event] = usual) -> dict[str, Path]:
    """One body a line: single events and batches."""
    files = {}
    for shape, count in BODIES.items():
        size = 1 if shape == "single" else BATCH_EVENTS
        source = (mix(event, number) for number, event in enumerate(events(seed=7, count=count * size)))
        files[shape] = directory / f"{shape}-{mix.__name__}.jsonl"
        with files[shape].open("wb") as file:
            for _ in range(count):
                items = [next(source) for _ in range(size)]
                file.write(orjson.dumps(items[0] if shape == "single" else {"batch": items, "sentAt": items[-1]["sentAt"]}) + b"\n")
    return files


def sent_bytes(bodies: Path) -> int:
    """What wrk sends when all bodies of a file have gone round once."""
    return len(_TOKEN.sub(lambda found: _FILLED[found[1]], bodies.read_text("utf-8")).encode())
