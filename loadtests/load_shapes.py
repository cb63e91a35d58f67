"""How many visitors there are at a moment of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple


class Crowd(NamedTuple):
    """``mailing``: readers of a mailing are among them."""

    users: int
    spawn_rate: float
    mailing: bool = False


Shape = Callable[[float, int, int], Crowd | None]  # seconds passed, an ordinary crowd, how long it lasts


def steady(passed: float, crowd: int, seconds: int) -> Crowd | None:
    """The same number all the time."""
    return Crowd(crowd, crowd / 5) if passed < seconds else None


def spike(passed: float, crowd: int, seconds: int) -> Crowd | None:
    """A mailing goes out after a third: five times as many for a sixth of the time, then the everyday again."""
    if passed >= seconds:
        return None
    is_mailing = seconds / 3 <= passed < seconds / 2
    return Crowd(5 * crowd if is_mailing else crowd, crowd if is_mailing else crowd / 5, is_mailing)


def soak(passed: float, crowd: int, seconds: int) -> Crowd | None:
    """A day in the time there is: nobody much at night, most in the evening, a mailing at noon."""
    if passed >= seconds:
        return None
    share = passed / seconds
    users = max(1, round(crowd * (0.15 + 0.85 * math.sin(math.pi * share) ** 2)))
    is_noon = 0.48 < share < 0.54
    return Crowd(2 * users if is_noon else users, max(1.0, crowd / 5), is_noon)


SHAPES: dict[str, Shape] = {"steady": steady, "spike": spike, "soak": soak}
