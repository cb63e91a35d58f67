"""Whoever guesses at the token is slowed down; whoever is elsewhere, or in already, notices nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from loadtests.collector_process import CollectorProcess
from tests.console.visitor import Visitor

from tropa_collector.admin.console.attempts import MAX_NETWORKS, MOST_ATTEMPTS, WINDOW_SECONDS, Attempts


@pytest.mark.parametrize("near", ["192.0.2.1", "192.0.2.77"])
def test_ten_wrong_tokens_from_a_network_close_the_door_for_the_rest_of_the_minute(near: str) -> None:
    now = [100.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(MOST_ATTEMPTS):
        assert attempts.wait(near) == 0
        attempts.failed("192.0.2.1")
        now[0] += 0.5
    assert attempts.wait(near) == WINDOW_SECONDS - 0.5 * MOST_ATTEMPTS
    assert attempts.wait("192.0.3.1") == 0
    now[0] = 100.0 + WINDOW_SECONDS
    assert attempts.wait(near) == 0
    attempts.failed("192.0.2.1")
    assert attempts.wait(near) == 0


def test_the_table_is_bounded() -> None:
    attempts = Attempts(lambda: 0.0)
    for _ in range(MOST_ATTEMPTS):
        attempts.failed("192.0.2.1")
    for number in range(MAX_NETWORKS - 1):
        attempts.failed(f"10.{number // 256}.{number % 256}.1")
    assert attempts.wait("192.0.2.1") == WINDOW_SECONDS
    attempts.failed("198.51.100.1")
    assert attempts.wait("192.0.2.1") == 0


def test_a_guesser_is_told_to_wait_and_a_session_lives_on(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path / "data") as collector:
        operator, guesser = Visitor(collector), Visitor(collector, stranger=True)
        answers = [guesser.post("/sign-in", token=f"guess-{number}") for number in range(MOST_ATTEMPTS + 1)]
        assert [answer.status for answer in answers] == [401] * MOST_ATTEMPTS + [429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= WINDOW_SECONDS
        assert "Too many wrong tokens" in answers[-1].text
        assert guesser.post("/sign-in", token=collector.admin_token).status == 429
        assert operator.get("/").status == 200
        assert collector.metrics()['tropa_requests_total{route="admin",status="401"}'] == MOST_ATTEMPTS
