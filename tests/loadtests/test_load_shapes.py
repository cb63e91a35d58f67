"""How many visitors there are at a moment of a run."""

from __future__ import annotations

import pytest
from loadtests.load_shapes import SHAPES, Crowd


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_ends_and_is_never_empty_before(shape: str) -> None:
    moments = [SHAPES[shape](passed, 100, 300) for passed in range(300)]
    assert all(crowd is not None and crowd.users >= 1 and crowd.spawn_rate > 0 for crowd in moments)
    assert SHAPES[shape](300, 100, 300) is None


def test_a_spike_is_five_times_the_crowd_with_a_mailing_and_then_over() -> None:
    spike = [SHAPES["spike"](passed, 100, 300) for passed in (0, 99, 100, 149, 150, 299)]
    everyday, mailing = Crowd(100, 20), Crowd(500, 100, mailing=True)
    assert spike == [everyday, everyday, mailing, mailing, everyday, everyday]


def test_a_soak_has_a_night_and_an_evening() -> None:
    users = [crowd.users for passed in range(3_000) if (crowd := SHAPES["soak"](passed, 100, 3_000))]
    assert min(users) == 15
    assert max(users) > 150
