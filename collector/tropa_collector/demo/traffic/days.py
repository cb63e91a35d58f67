"""The visits of a day, and those that follow one another without end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from random import Random

from tropa_collector.demo.traffic.people import Person, person, robot
from tropa_collector.demo.traffic.visits import Visit, letter, visit

DAY = 86_400.0
REGULARS = 60
_MAIL_HOUR = 7  # UTC
#: How many come in each hour of the day, UTC: the shop's public lives three hours to the east and shops in the evening.
_HOURS = (2, 1, 1, 2, 4, 6, 8, 10, 11, 12, 12, 12, 11, 11, 12, 13, 15, 17, 18, 16, 12, 8, 5, 3)


def day(seed: int, when: date, visits: int) -> Iterator[Visit]:
    """All visits of one calendar day, UTC. The same for the same arguments, whenever it is asked."""
    random = Random(f"day {seed} {when}")
    midnight = datetime(when.year, when.month, when.day, tzinfo=UTC).timestamp()
    for n in range(visits):
        at = midnight + 3_600 * (random.choices(range(24), _HOURS)[0] + random.random())
        yield _somebody(seed, f"{seed} {when} {n}", at)
    campaign = f"letter-{when:%m-%d}"
    for n in range(REGULARS):
        yield from letter(f"{seed} {when} mail {n}", _regular(seed, n), midnight + _MAIL_HOUR * 3_600 + n, campaign)


def past(seed: int, now: float, days: int, visits: int) -> Iterator[Visit]:
    """The visits of the ``days`` before ``now``, cut at ``now`` and no older; by day, not by the minute."""
    first = now - days * DAY
    today = datetime.fromtimestamp(now, UTC).date()
    for back in range(days, -1, -1) if days else ():
        for found in day(seed, today - timedelta(days=back), visits):
            steps = tuple(step for step in found.steps if first <= step.at <= now)
            if steps:
                yield Visit(found.seed, found.person, found.device, steps)


def onwards(seed: int, now: float, visits: int, speed: float) -> Iterator[Visit]:
    """Visits from ``now`` on, ``speed`` times as many as in life and each as much faster."""
    random = Random(f"onwards {seed} {now}")
    at = now
    for n in count():
        at += random.expovariate(visits * speed / DAY)
        found = _somebody(seed, f"{seed} from {now} {n}", at)
        steps = tuple(step._replace(at=at + (step.at - at) / speed) for step in found.steps)
        yield Visit(found.seed, found.person, found.device, steps)


def _somebody(seed: int, visit_seed: str, at: float) -> Visit:
    """Mostly newcomers; every third is a customer who comes back, and now and then one is a crawler."""
    random = Random(f"who {visit_seed}")
    chance = random.random()
    if chance < 0.3:
        return visit(visit_seed, _regular(seed, random.randrange(REGULARS)), at, known=True)
    newcomer = robot(visit_seed) if chance > 0.98 else person(visit_seed)
    return visit(visit_seed, newcomer, at, known=False)


def _regular(seed: int, n: int) -> Person:
    return person(f"{seed} regular {n}")
