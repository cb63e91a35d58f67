"""Each invariant catches a planner that breaks it: a check that has never failed proves nothing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tests.identity.attacks import changed_by_attack
from tests.identity.invariants import (
    broken,
    equal_to_model,
    i7_components,
    i11_claims_take_nothing,
)
from tests.identity.memory_store import MemoryStore
from tests.identity.reference_model import Model
from tests.identity.streams import call, in_batches, random_calls, small_policy

from tropa_collector.identity import operations
from tropa_collector.identity.policy import NO_LIMIT, SERVER, Policy, kind_table
from tropa_collector.identity.records import Plan, Snapshot, Triage
from tropa_collector.identity.resolve import resolve

Planner = Callable[..., Plan]


def forgets_the_moved(batch: Triage, snapshot: Snapshot, *, policy: Policy) -> Plan:
    """Marks a contact merged and leaves its identifiers there."""
    plan = resolve(batch, snapshot, policy=policy)
    stored = {row.id for row in snapshot.identifiers}
    return plan._replace(identifiers=[row for row in plan.identifiers if row.id not in stored])


def forgets_redirects(batch: Triage, snapshot: Snapshot, *, policy: Policy) -> Plan:
    return resolve(batch, snapshot, policy=policy)._replace(redirects=[])


def knows_no_limits(batch: Triage, snapshot: Snapshot, *, policy: Policy) -> Plan:
    table = kind_table()
    for name in ("user_id", "email", "phone", "ext.crm"):
        table[name] = table[name]._replace(limit=NO_LIMIT)
    return resolve(batch, snapshot, policy=Policy(kinds=table))


def forgets_evidence(batch: Triage, snapshot: Snapshot, *, policy: Policy) -> Plan:
    return resolve(batch, snapshot, policy=policy)._replace(edges=[])


def forgets_anchors(batch: Triage, snapshot: Snapshot, *, policy: Policy) -> Plan:
    plan = resolve(batch, snapshot, policy=policy)
    return plan._replace(anchors=[0] * len(plan.anchors))


def ignores_operators(batch: Triage, snapshot: Snapshot, *, policy: Policy) -> Plan:
    edges = [edge._replace(revoked=0) for edge in snapshot.edges]
    return resolve(batch, snapshot._replace(cannot_link=[], edges=edges), policy=policy)


def lumps_newcomers(batch: Triage, snapshot: Snapshot, *, policy: Policy) -> Plan:
    """Puts whatever is new into the first contact."""
    plan = resolve(batch, snapshot, policy=policy)
    stored = {row.id for row in snapshot.identifiers}
    rows = [row if row.id in stored else row._replace(contact=1) for row in plan.identifiers]
    return plan._replace(identifiers=rows)


def never_shares(batch: Triage, snapshot: Snapshot, *, policy: Policy) -> Plan:
    plan = resolve(batch, snapshot, policy=policy)
    return plan._replace(identifiers=[row._replace(shared_from=None) for row in plan.identifiers])


def forgets_histories(batch: Triage, snapshot: Snapshot, *, policy: Policy) -> Plan:
    plan = resolve(batch, snapshot, policy=policy)
    return plan._replace(identifiers=[row._replace(known_from=None) for row in plan.identifiers])


def counts_again(batch: Triage, snapshot: Snapshot, *, policy: Policy) -> Plan:
    """Writes every loaded contact anew each time."""
    plan = resolve(batch, snapshot, policy=policy)
    seen = {row.contact for row in snapshot.identifiers}
    return plan._replace(contacts=[*plan.contacts, *(c._replace(rev=c.rev + 1) for c in snapshot.contacts if c.id in seen)])


def believes_browsers(batch: Triage, snapshot: Snapshot, *, policy: Policy) -> Plan:
    calls = [one._replace(identifiers=tuple(i._replace(trust=SERVER) for i in one.identifiers)) for one in batch.calls]
    return resolve(batch._replace(calls=calls), snapshot, policy=policy)


def joins_on_any_claim(batch: Triage, snapshot: Snapshot, *, policy: Policy) -> Plan:
    """Puts all identifiers of a claim into the contact of its anchor, proven or not."""
    plan = resolve(batch, snapshot, policy=policy)
    rows = {row.id: row for row in (*snapshot.identifiers, *plan.identifiers)}
    by_key = {(row.kind, row.value): row.id for row in rows.values()}
    for one, anchor in zip(batch.calls, plan.anchors, strict=True):
        for ident in one.identifiers:
            if not ident.trust and ident.key in by_key:
                row = rows[by_key[ident.key]]
                rows[row.id] = row._replace(contact=rows[anchor].contact)
    return plan._replace(identifiers=sorted(rows.values()))


def faults(planner: Planner, claims: float, seed: int) -> list[str]:
    """What the checks say of one random stream with this planner, up to the first batch with a fault."""
    rng = random.Random(seed)
    policy = small_policy(rng)
    store, model, batches = MemoryStore(policy, planner), Model(policy), []
    for batch in in_batches(list(random_calls(rng, 25, claims=claims)), rng, 4):
        try:
            store.deliver(batch)
        except (KeyError, StopIteration, IndexError, ValueError):
            break  # a planner that corrupts its rows may stumble over them: what it wrote before is judged
        batches.append(batch)
        for one in sorted(batch, key=lambda one: (one.ts, one.event_id)):
            model.apply(one)
        found = [*broken(store), *(f"model: {fault}" for fault in equal_to_model(store, model))]
        if found and planner is not believes_browsers:
            return found
    return [f"i11: {fault}" for fault in i11_claims_take_nothing(store, batches)] if claims else []


SABOTAGE: dict[str, tuple[Planner, float]] = {
    "i1": (forgets_the_moved, 0),
    "i2": (forgets_redirects, 0),
    "i3": (knows_no_limits, 0),
    "i4": (forgets_evidence, 0),
    "i5": (forgets_anchors, 0),
    "i8": (never_shares, 0),
    "i8_recomputed": (forgets_histories, 0),
    "i11": (believes_browsers, 0.6),
    "i12": (joins_on_any_claim, 0.6),
    "model": (knows_no_limits, 0.5),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_the_invariant_catches_a_planner_that_breaks_it(name: str) -> None:
    planner, claims = SABOTAGE[name]
    assert any(fault.startswith(name) for seed in range(60) for fault in faults(planner, claims, seed))
    assert not any(fault.startswith(name) for seed in range(5) for fault in faults(resolve, claims, seed))


@pytest.mark.parametrize(("planner", "caught"), [(resolve, False), (lumps_newcomers, True)])
def test_i7_catches_a_planner_that_lumps_newcomers(planner: Planner, caught: bool) -> None:
    store = MemoryStore(Policy(), planner)
    store.deliver([call("m1", 1, "u1 c1")])
    store.deliver([call("m2", 2, "u2 c2")])
    assert any(i7_components(store)) is caught


def told_apart(planner: Planner) -> MemoryStore:
    """Two contacts joined, taken apart by an operator, and the joining event again."""
    store = MemoryStore(Policy(), planner)
    for one in (call("m1", 1, "u1 c1"), call("m2", 2, "e1 c2"), call("m3", 3, "u1 e1")):
        store.deliver([one])
    row = next(row for row in store.log if row.action == "merge")
    by = operations.Operator("anna", "wrong", 50, "op1")
    sides = row.detail["moved"], row.detail["kept"], row.other_contact
    store.write(operations.unmerge(store.everything(), *sides, by, policy=store.policy, sequence=store.sequence))
    store.deliver([call("m4", 9, "u1 e1")])
    return store


def test_i6_catches_a_planner_that_ignores_operators() -> None:
    assert broken(told_apart(resolve)) == []
    assert any(fault.startswith("i6") for fault in broken(told_apart(ignores_operators)))


def test_i9_catches_an_unmerge_that_moves_nothing_back() -> None:
    def attribution(take_apart: Callable[[Plan], Plan]) -> tuple[object, object]:
        store = MemoryStore(Policy())
        store.deliver([call("m1", 1, "u1 c1"), call("m2", 2, "e1 c2")])
        before = store.partition(), store.contact_of("m1"), store.contact_of("m2")
        store.deliver([call("m3", 3, "u1 e1")])
        row = next(row for row in store.log if row.action == "merge")
        by = operations.Operator("anna", "wrong", 50, "op1")
        sides = row.detail["moved"], row.detail["kept"], row.other_contact
        plan = operations.unmerge(store.everything(), *sides, by, policy=store.policy, sequence=store.sequence)
        store.write(take_apart(plan))
        return before, (store.partition(), store.contact_of("m1"), store.contact_of("m2"))

    before, after = attribution(lambda plan: plan)
    assert before == after
    before, after = attribution(lambda plan: plan._replace(identifiers=[]))
    assert before != after


@pytest.mark.parametrize(("planner", "changes"), [(resolve, False), (counts_again, True)])
def test_i10_catches_a_planner_that_counts_a_redelivery(planner: Planner, changes: bool) -> None:
    store = MemoryStore(Policy(), planner)
    store.deliver([call("m1", 1, "u1 c1 t1")])
    before = dict(store.contacts)
    store.deliver([call("m1", 1, "u1 c1 t1")], dedupe=False)
    assert (store.contacts != before) is changes


def test_the_attack_is_noticed_when_browsers_are_believed() -> None:
    assert any(changed_by_attack(seed, believes_browsers) for seed in range(10))
