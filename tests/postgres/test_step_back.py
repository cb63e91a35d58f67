"""Transactions that lost against others do not come back together."""

from __future__ import annotations

import asyncio

import pytest

from tropa_collector.store.postgres import connect


def test_who_lost_steps_back_at_random_longer_each_time_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    for attempt in range(1, connect.TRIES):
        for _ in range(200):
            asyncio.run(connect.step_back(attempt))
    rounds = [waited[start : start + 200] for start in range(0, len(waited), 200)]
    assert all(len(set(one)) > 150 for one in rounds)
    assert min(waited) >= 0.01
    assert max(rounds[0]) <= 0.04 < max(rounds[-1]) <= 0.5
