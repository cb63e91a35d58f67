"""Random streams: the planner equals the model, the invariants hold, and an attack with a browser key changes nothing proven."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.identity.attacks import changed_by_attack
from tests.identity.invariants import (
    broken,
    equal_to_model,
    i4_connected,
    i7_components,
    i11_claims_take_nothing,
)
from tests.identity.memory_store import MemoryStore
from tests.identity.reference_model import Model
from tests.identity.streams import TABLE, call, in_batches, random_calls, small_policy

from tropa_collector.identity.identifiers import CLAIMED_RANK
from tropa_collector.identity.operations import OperationError, Operator, lift, merge, rebuild, split, unmerge
from tropa_collector.identity.policy import NO_MERGE_RANK, Policy
from tropa_collector.identity.records import ERASED, QUARANTINED, Call, Ident, Identifier, Key


def faults(seed: int, claims: float) -> list[str]:
    """Everything that is wrong with one random stream."""
    rng = random.Random(seed)
    policy = small_policy(rng)
    calls = list(random_calls(rng, 30, claims=claims, width=rng.choice([2, 3, 4, 6])))
    store, model = MemoryStore(policy), Model(policy)
    batches = list(in_batches(calls, rng, rng.choice([1, 1, 4, 10])))
    for batch in batches:
        store.deliver(batch)
        for one in sorted(batch, key=lambda one: (one.ts, one.event_id)):
            model.apply(one)
        wrong = [*equal_to_model(store, model), *broken(store)]
        if wrong:
            return wrong
    if claims:
        return list(i11_claims_take_nothing(store, batches))
    both = store.partition() ^ store.partition(proven=True)
    return [*i7_components(store), *(f"core without contact: {body}" for body in both)]


@pytest.mark.parametrize("claims", [0, 0.3, 0.5, 0.8, 1])
def test_the_planner_is_the_model_and_keeps_the_invariants(claims: float) -> None:
    for seed in range(60):
        assert faults(seed, claims) == [], f"seed {seed}"


def fingerprint(store: MemoryStore) -> object:
    return (
        dict(store.identifiers),
        dict(store.edges),
        dict(store.contacts),
        set(store.cannot_link),
        [row.action for row in store.log],
    )


@pytest.mark.parametrize("claims", [0, 0.5, 1])
def test_62_batches_of_any_size_in_order_of_time_give_one_partition(claims: float) -> None:
    for seed in range(20):
        rng = random.Random(seed)
        policy = small_policy(rng)
        calls = sorted(random_calls(rng, 30, claims=claims), key=lambda one: (one.ts, one.event_id))
        found = []
        for size in (1, 7, 1_000):
            store = MemoryStore(policy)
            for start in range(0, len(calls), size):
                store.deliver(calls[start : start + size])
            found.append((store.partition(), store.partition(proven=True)))
        assert found[0] == found[1] == found[2], f"seed {seed}"


def test_i10_redelivery_changes_nothing() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        calls = list(random_calls(rng, 30, claims=0.5))
        once, often = MemoryStore(Policy()), MemoryStore(Policy())
        for batch in in_batches(calls, random.Random(1), 7):
            once.deliver(batch)
            often.deliver([*batch, *batch])
            often.deliver(rng.sample(batch, len(batch)))
        assert fingerprint(once) == fingerprint(often), f"seed {seed}"


def harmless(rng: random.Random, count: int, trust: int) -> list[Call]:
    """Events of people who never contradict each other: each has one of every kind, and two cookies."""
    calls = []
    for number in range(count):
        who = rng.randrange(1, 6)
        mine = [f"u{who}", f"e{who}", f"p{who}", f"c{who}0", f"c{who}1"]
        calls.append(call(f"m{number:03}", rng.randrange(500), " ".join(rng.sample(mine, rng.choice([1, 2, 3]))), trust))
    return calls


def conclusions(store: MemoryStore) -> object:
    """The last time of an edge is kept only to within a day, so it is left out."""
    edges = [(pair, edge.trust, edge.first_ts, edge.first_event, edge.proven_ts) for pair, edge in store.edges.items()]
    return store.partition(), sorted(edges), store.contacts.keys()


@pytest.mark.parametrize("trust", [0, 2])
def test_63_order_does_not_matter_without_conflicts_even_beyond_the_dedupe_window(trust: int) -> None:
    for seed in range(30):
        rng = random.Random(seed)
        calls = harmless(rng, 40, trust)
        partitions = []
        for _ in range(3):
            store = MemoryStore(Policy())
            for batch in in_batches(rng.sample(calls, len(calls)), rng, 9):
                store.deliver(batch)
            before = conclusions(store)
            store.deliver(calls, dedupe=False)
            assert before == conclusions(store), f"seed {seed}"
            assert [*i7_components(store), *i4_connected(store)] == []
            partitions.append(store.partition())
        assert partitions[0] == partitions[1] == partitions[2], f"seed {seed}"


@pytest.mark.parametrize("seed", range(300))
def test_an_attack_with_a_browser_key_changes_nothing_proven(seed: int) -> None:
    assert changed_by_attack(seed) == []


# -- operators between the events


def ruled(identifiers: tuple[Ident, ...], set_aside: set[Key]) -> tuple[Ident, ...]:
    """As ``extract`` gives them when a rule names some of them."""
    found = [
        one._replace(no_merge=True, rank=NO_MERGE_RANK + (0 if one.trust else CLAIMED_RANK)) if one.key in set_aside else one
        for one in identifiers
    ]
    return tuple(sorted(found, key=lambda one: (one.rank, one.key)))


class Contacts(RuleBasedStateMachine):
    """Events and operators in any order; the invariants hold after each."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore(small_policy(random.Random(7)))
        self.calls: list[Call] = []
        self.set_aside: set[Key] = set()

    @precondition(lambda self: self.store.by_key)
    @rule(index=st.integers(0, 10**6))
    def set_value_aside(self, index: int) -> None:
        """The operator's new rule: a stored value joins nobody from now on."""
        self.set_aside.add(sorted(self.store.by_key)[index % len(self.store.by_key)])

    @rule(seed=st.integers(0, 10**6), count=st.integers(1, 8), claims=st.sampled_from([0.0, 0.5, 1.0]))
    def batch(self, seed: int, count: int, claims: float) -> None:
        found = random_calls(random.Random(seed), count, claims=claims, width=4)
        fresh = [one._replace(event_id=f"{len(self.calls)}-{one.event_id}", ts=one.ts + len(self.calls)) for one in found]
        fresh = [one._replace(identifiers=ruled(one.identifiers, self.set_aside)) for one in fresh]
        self.calls += fresh
        self.store.deliver(fresh)

    @precondition(lambda self: self.calls)
    @rule(index=st.integers(0, 10**6))
    def redeliver(self, index: int) -> None:
        before = fingerprint(self.store)
        self.store.deliver([self.calls[index % len(self.calls)]])
        assert fingerprint(self.store) == before

    @precondition(lambda self: len(self.store.live()) > 1)
    @rule(index=st.integers(0, 10**6))
    def manual_merge(self, index: int) -> None:
        owners = sorted({row.contact for row in self.living()})
        if len(owners) < 2:
            return
        first, second = random.Random(index).sample(owners, 2)
        try:
            self._operate(merge, first, second)
        except OperationError:
            return
        rows = {self.store.contacts[contact].merged_into or contact for contact in (first, second)}
        assert len(rows) == 1

    @precondition(lambda self: any(row.action == "merge" for row in self.store.log))
    @rule(index=st.integers(0, 10**6))
    def unmerge(self, index: int) -> None:
        rows = [row for row in self.store.log if row.action == "merge"]
        row = rows[index % len(rows)]
        living = {one.id for one in self.living()}
        moved, kept = (living & set(row.detail[side]) for side in ("moved", "kept"))
        try:
            self._operate(unmerge, moved, kept, row.other_contact)
        except OperationError:
            return

    @precondition(lambda self: self.living())
    @rule(index=st.integers(0, 10**6))
    def split(self, index: int) -> None:
        rows, before = self.living(), set(self.store.cannot_link)
        row = rows[index % len(rows)]
        beside = {other.id for other in rows if other.contact == row.contact and other.id != row.id}
        try:
            self._operate(split, row.contact, [row.id])
        except OperationError:
            assert not beside
            return
        assert self.store.cannot_link > before

    @precondition(lambda self: self.living())
    @rule(index=st.integers(0, 10**6))
    def erase(self, index: int) -> None:
        """Events may go on coming: what was erased is nobody's for ever, and a device that others used is theirs."""
        rows = self.living()
        self.store.erase(rows[index % len(rows)].contact, self._operator())

    @precondition(lambda self: any(row.state == QUARANTINED for row in self.store.identifiers.values()))
    @rule(index=st.integers(0, 10**6))
    def lift(self, index: int) -> None:
        rows = [row.id for row in self.store.identifiers.values() if row.state == QUARANTINED]
        self._operate(lift, rows[index % len(rows)])

    @precondition(lambda self: self.living())
    @rule()
    def rebuild(self) -> None:
        self._operate(rebuild)

    def _operate(self, operation, *arguments) -> None:  # type: ignore[no-untyped-def]
        plan = operation(
            self.store.everything(), *arguments, self._operator(), policy=self.store.policy, sequence=self.store.sequence
        )
        self.store.write(plan)

    def living(self) -> list[Identifier]:
        return [row for row in self.store.identifiers.values() if row.state != ERASED]

    def _operator(self) -> Operator:
        return Operator("anna", "test", 10_000 + len(self.store.log), f"op{len(self.store.log)}")

    @invariant()
    def all_is_well(self) -> None:
        assert broken(self.store) == []


Contacts.TestCase.settings = settings(
    max_examples=50, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestContacts = Contacts.TestCase


def test_rebuilding_a_harmless_history_changes_nothing() -> None:
    for seed in range(20):
        store = MemoryStore(Policy())
        for batch in in_batches(harmless(random.Random(seed), 40, 2), random.Random(seed), 9):
            store.deliver(batch)
        before = store.partition()
        by = Operator("anna", "check", 10_000, "op")
        store.write(rebuild(store.everything(), by, policy=store.policy, sequence=store.sequence))
        assert store.partition() == before, f"seed {seed}"
        assert broken(store) == []


def test_rebuilding_any_history_by_other_rules_keeps_the_invariants() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        store = MemoryStore(small_policy(rng))
        for batch in in_batches(list(random_calls(rng, 30, claims=rng.choice((0.0, 0.5)))), rng, 9):
            store.deliver(batch)
        store.policy = replace(small_policy(random.Random(seed + 1)), kinds=store.policy.kinds)
        by = Operator("anna", "other rules", 10_000, "op")
        store.write(rebuild(store.everything(), by, policy=store.policy, sequence=store.sequence))
        assert broken(store) == [], f"seed {seed}"


def without_devices(partition: set[frozenset[Key]]) -> set[frozenset[Key]]:
    rest = {frozenset(key for key in body if TABLE[key[0]].known) for body in partition}
    return rest - {frozenset()}


@pytest.mark.parametrize("claims", [0, 0.5])
def test_i9_an_unmerge_undoes_the_merge_that_went_before(claims: float) -> None:
    undone = 0
    for seed in range(150):
        store, last = MemoryStore(Policy()), None
        in_order = sorted(random_calls(random.Random(seed), 25, claims=claims, aliases=0), key=lambda one: one.ts)
        for one in in_order:  # a late login would rightly keep the device that it was first on
            if any(ident.key not in store.by_key for ident in one.identifiers):
                store.deliver([one])
                continue
            before, rows = (store.partition(), set(store.edges)), len(store.log)
            store.deliver([one])
            actions = [row.action for row in store.log[rows:]]
            if actions == ["merge"]:
                last = before, store.log[-1]
                break
        if last is None:
            continue
        (partition, _), row = last
        by = Operator("anna", "wrong", 10_000, "op")
        sides = row.detail["moved"], row.detail["kept"], row.other_contact
        store.write(unmerge(store.everything(), *sides, by, policy=store.policy, sequence=store.sequence))
        if claims:  # the unique identifier that the event saw on a device outweighs a claimed point there: compare the rest
            assert without_devices(store.partition()) == without_devices(partition), f"seed {seed}"
        else:
            assert store.partition() == partition, f"seed {seed}"
        assert broken(store) == [], f"seed {seed}"
        undone += 1
    assert undone > 20
