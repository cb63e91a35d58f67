"""The closed form of usual beginnings gives the rows, ids and log of the graph."""

from __future__ import annotations

import random

import pytest
from tests.identity.memory_store import MemoryStore
from tests.identity.streams import call, in_batches, random_calls, small_policy

from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import Arrival, Call, Contact, Edge, Plan, Triage
from tropa_collector.identity.resolve import resolve, triage


class Knowing(MemoryStore):
    """A store that knows which of its contacts are lone, and plans every batch in both ways."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.arrivals: list[Arrival] = []

    def lone(self) -> dict[int, Contact]:
        touched = self._ends(set(self.identifiers)) | {end for pair in self.cannot_link for end in pair}
        owners = [row.contact for row in self.identifiers.values()]
        return {
            row.id: self.contacts[row.contact]
            for row in self.identifiers.values()
            if row.id not in touched and owners.count(row.contact) == 1
        }

    def deliver(self, calls: list[Call], *, dedupe: bool = True) -> Plan:  # type: ignore[override]
        known = {key: self.identifiers[self.by_key[key]] for one in calls for key in one.lookups() if key in self.by_key}
        ends = {(a.id, b.id) for a in known.values() for b in known.values()}
        pairs: dict[tuple[int, int], Edge] = {pair: edge for pair, edge in self.edges.items() if pair in ends}
        short = triage(calls, known, pairs, self.policy, self.sequence, self.lone())
        plan, long = self.planned(short), self.planned(without_arrivals(short))
        assert in_order(plan) == in_order(long)
        self.arrivals += short.arrivals.values()
        self.write(plan)
        return plan

    def planned(self, batch: Triage) -> Plan:
        return resolve(batch, self.snapshot(batch.contacts), policy=self.policy)


def without_arrivals(batch: Triage) -> Triage:
    found = {arrival.contact.id for arrival in batch.arrivals.values() if arrival.contact}
    return batch._replace(arrivals={}, contacts=batch.contacts | found)


def in_order(plan: Plan) -> Plan:
    return plan._replace(contacts=sorted(plan.contacts), identifiers=sorted(plan.identifiers), edges=sorted(plan.edges))


@pytest.mark.parametrize("claims", [0, 0.7, 1])
def test_random_streams_come_to_the_same_rows_both_ways(claims: float) -> None:
    lone, new = 0, 0
    for seed in range(20):
        rng = random.Random(seed)
        store, width = Knowing(small_policy(rng)), rng.choice([4, 40])
        store.deliver([call(f"visit{n}", rng.randrange(300), f"~c{n}") for n in range(width)])
        for batch in in_batches(list(random_calls(rng, 60, claims=claims, width=width)), rng, 8):
            store.deliver(batch)
        lone += sum(found.device is not None for found in store.arrivals)
        new += sum(found.device is None for found in store.arrivals)
    assert new > 50
    assert lone > 20 or not claims


@pytest.mark.parametrize(
    ("stored", "said", "usual"),
    [
        ("", "~u1 ~e1 ~c1", True),
        ("~c1", "~u1 ~e1 ~c1", True),
        ("~c1", "~e1 ~c1 ~g1", True),
        ("", "u1 e1 p1 r1", True),
        ("c1", "u1 c1", False),  # proof takes a device with it: cores are joined
        ("~c1", "u1 ~c1", False),
        ("~c1 ~g1", "~u1 ~c1", False),  # the device is not alone
        ("~e1", "~u1 ~e1", False),  # a person, no device
        ("~c1", "~c1 ~g1", False),  # nobody logs in
        ("~c1", "~u1 ~c1 ~t1", False),  # a push token follows its newest claim
        ("~c1", "~u1 ~c1 !~e0", False),
        ("~c1", "~u1 ~e1 ~e2 ~c1", False),
    ],
)
def test_which_events_are_usual_beginnings(stored: str, said: str, usual: bool) -> None:
    store = Knowing(Policy())
    if stored:
        store.deliver([call("m1", 1, stored)])
        store.arrivals.clear()
    store.deliver([call("m2", 2, said)])
    assert bool(store.arrivals) == usual


def test_two_that_share_an_identifier_in_one_batch_are_none() -> None:
    store = Knowing(Policy())
    store.deliver([call("m1", 1, "~c1")])
    store.deliver([call("m2", 2, "~u1 ~c1"), call("m3", 3, "~u2 ~c1"), call("m4", 4, "~u3 ~c3")])
    assert len(store.arrivals) == 1
