"""Every proof by its name: which row of the scorecard it is, how large it is run, and which broken builds must fail in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from loadtests.oracle.faults.file_layer import cannot_compile
from loadtests.oracle.faults.full_disk import cannot_mount
from loadtests.oracle.faults.kill import KillWriter
from loadtests.oracle.faults.sync_errors import cannot_inject
from loadtests.oracle.proofs import (
    authorisation,
    bombs,
    clock,
    corrupted,
    destinations,
    drain,
    identity,
    kills,
    lasting,
    malformed,
    neighbours,
    network,
    overload,
    power,
    shop,
    stalled,
    strangers,
)
from loadtests.oracle.table import Row

PRODUCT = "tropa_collector"
Run = Callable[[Path, int, str], Awaitable[list[Row]]]  # a directory of its own, a size, a build


class Broken(NamedTuple):
    """A build that must fail, how large a run shows it, and what must then be said: not that it was slow, but what it broke."""

    build: str
    size: int
    says: str


class Proof(NamedTuple):
    """``number`` is the scorecard's row (0: a fault beyond it). ``usual`` and ``long`` are sizes, in ``unit``."""

    number: int
    unit: str
    usual: int
    long: int
    run: Run
    impossible: Callable[[], str] = str
    broken: tuple[Broken, ...] = ()
    least: int = 1  # below it the proof is another one


def _module(build: str) -> str:
    return build if build == PRODUCT else f"loadtests.oracle.sabotage.{build}"


async def _kills(path: Path, size: int, build: str) -> list[Row]:
    if build == PRODUCT:
        return await kills.prove(path, times=size)
    return await kills.prove(path, times=size, faults=[KillWriter()], module=_module(build))


PROOFS: dict[str, Proof] = {
    "kills": Proof(1, "kills", 50, 300, _kills, broken=(Broken("ack_before_commit", 8, " lost"),)),
    "power": Proof(
        2, "cuts", 1_000, 5_000,
        lambda path, size, build: power.prove(path, cuts=size, module=power.EARLY if build == PRODUCT else _module(build)),
        cannot_compile, (Broken("synchronous_normal", 30, " lost of "), Broken("ack_before_commit", 60, " lost of ")),
    ),
    "drain": Proof(
        3, "stops", 20, 100, lambda path, size, build: drain.prove(path, times=size, module=_module(build)),
        broken=(Broken("drain_off", 2, "reset or left unanswered"),),
    ),
    "stuck-upload": Proof(3, "stops", 1, 1, lambda path, _, __: drain.prove_stuck_upload(path)),
    "full-disk": Proof(
        4, "MiB", 64, 64, lambda path, size, _: lasting.prove_full_disk(path, mebibytes=size), cannot_mount, least=24
    ),
    "sync-errors": Proof(
        5, "seconds", 2, 20, lambda path, size, build: lasting.prove_sync_errors(path, seconds=size, module=_module(build)),
        cannot_inject, (Broken("synchronous_normal", 1, "answers of 200"),),
    ),
    "resend": Proof(
        6, "events", 200_000, 1_000_000,
        lambda path, size, build: network.prove_resend(path, events=size, module=_module(build)),
        broken=(Broken("dedupe_off", 2_000, "stored exactly once"),),
    ),
    "neighbours": Proof(7, "positions", 100, 100, lambda path, size, _: neighbours.prove(path, positions=size)),
    "overload": Proof(
        8, "seconds", 60, 180, lambda path, size, build: overload.prove(path, seconds=size, module=_module(build)),
        cannot_compile, (Broken("endless_queue", 15, ": 0 × 503"),), least=10,
    ),
    "destinations": Proof(9, "seconds of each run", 8, 15, lambda path, size, _: destinations.prove(path, seconds=size)),
    "malformed": Proof(12, "requests", 10_000, 100_000, lambda path, size, _: malformed.prove(path, count=size)),
    "bombs": Proof(13, "MiB inflated", 1_024, 1_024, lambda path, size, _: bombs.prove(path, mebibytes=size), least=1_024),
    "stalled": Proof(14, "connections", 1_000, 1_000, lambda path, size, _: stalled.prove(path, connections=size)),
    "strangers": Proof(15, "strangers", 200_000, 1_000_000, lambda path, size, _: strangers.prove(path, count=size)),
    "identity": Proof(
        16, "operations", 100_000, 500_000,
        lambda path, size, build: identity.prove_streams(path, operations=size, build=build),
        broken=(Broken("knows_no_limits", 3_000, "streams differ"),),
    ),
    "poisoning": Proof(
        17, "sequences", 10_000, 50_000,
        lambda path, size, build: identity.prove_attacks(path, sequences=size, build=build),
        broken=(Broken("believes_browsers", 50, "changed a proven contact"),),
    ),
    "authorisation": Proof(
        18, "rounds", 1, 1, lambda path, _, build: authorisation.prove(path, module=_module(build)),
        broken=(Broken("no_token", 1, "personal data of a canary"),),
    ),
    "slow-network": Proof(0, "seconds", 15, 120, lambda path, size, _: network.prove_slow(path, seconds=size)),
    "corrupted": Proof(0, "files", 12, 100, lambda path, size, _: corrupted.prove(path, files=size)),
    "shop": Proof(0, "seconds", 60, 600, lambda path, size, _: shop.prove(path, seconds=size), least=30),
    "clock": Proof(0, "rounds", 1, 1, lambda path, _, __: clock.prove(path), cannot_compile),
}  # fmt: skip
