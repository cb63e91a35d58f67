"""Identity against its model on as many random streams and attacks as asked for.

``python -m loadtests.identity_streams --streams 4000 --attacks 10000 --first-seed 0``
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable

from tests.identity.attacks import changed_by_attack
from tests.identity.invariants import broken, equal_to_model, i7_components, i11_claims_take_nothing
from tests.identity.memory_store import MemoryStore
from tests.identity.reference_model import Model
from tests.identity.streams import in_batches, random_calls, small_policy

from tropa_collector.identity.records import Plan
from tropa_collector.identity.resolve import resolve

SHARES_OF_CLAIMS = (0, 0.5, 0.8, 1)


def operations_of(seed: int) -> int:
    """How many events the stream of a seed has."""
    rng = random.Random(seed)
    small_policy(rng)
    return rng.choice([20, 40])


def faults(seed: int, claims: float, planner: Callable[..., Plan] = resolve) -> list[str]:
    """What is wrong with one random stream: it differs from the model, or breaks an invariant."""
    rng = random.Random(seed)
    policy = small_policy(rng)
    calls = list(random_calls(rng, rng.choice([20, 40]), claims=claims, width=rng.choice([2, 3, 4, 6])))
    store, model = MemoryStore(policy, planner), Model(policy)
    batches = list(in_batches(calls, rng, rng.choice([1, 1, 4, 10])))
    for batch in batches:
        store.deliver(batch)
        for one in sorted(batch, key=lambda one: (one.ts, one.event_id)):
            model.apply(one)
        wrong = [*equal_to_model(store, model), *broken(store)]
        if wrong:
            return wrong
    return list(i11_claims_take_nothing(store, batches) if claims else i7_components(store))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--attacks", type=int, default=1_000)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    wrong, started = 0, time.monotonic()
    for kind, count in (("stream", options.streams), ("attack", options.attacks)):
        for seed in range(options.first_seed, options.first_seed + count):
            claims = SHARES_OF_CLAIMS[seed % len(SHARES_OF_CLAIMS)]
            found = faults(seed, claims) if kind == "stream" else changed_by_attack(seed)
            if found:
                wrong += 1
                print(f"{kind} {seed}: {found[0]}", flush=True)
        print(f"{count} {kind}s, {wrong} wrong so far, {time.monotonic() - started:.0f} s", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
