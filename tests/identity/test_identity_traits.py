"""Traits of a contact: the last word, tombstones, trust, shared devices; and why a contact is one."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from tests.identity.memory_store import MemoryStore
from tests.identity.streams import call

from tropa_collector.identity.explain import refused, sentence, tree, why
from tropa_collector.identity.operations import Operator, unmerge
from tropa_collector.identity.policy import TRAIT_STRATEGIES, Policy, StrategyName
from tropa_collector.identity.records import INFERRED, TraitWrite
from tropa_collector.identity.traits import Register, contact_traits, fold, person_of


def told(*calls: Any) -> MemoryStore:
    store = MemoryStore(Policy())
    for one in calls:
        store.deliver([one])
    return store


def traits_of(store: MemoryStore, name: str, /, **strategies: StrategyName) -> dict[str, Any]:
    registers: dict[tuple[int, str], Register] = {}
    for write in store.traits:
        place = (write.identifier, write.key)
        registers[place] = fold(registers.get(place), write)
    contact = store.row(name).contact
    rows = [row for row in store.identifiers.values() if row.contact == contact]
    said = [(store.identifiers[i], key, register) for (i, key), register in registers.items()]
    said = [item for item in said if item[0].contact == contact]
    policy = replace(store.policy, trait_strategies={**TRAIT_STRATEGIES, **strategies})
    found = contact_traits(contact, person_of(rows, policy), said, policy)
    return {key: trait.value for key, trait in found.items()}


def said(ts: int, value: object, event_id: str = "m", trust: int = 2) -> TraitWrite:
    return TraitWrite(1, "city", value, trust, ts, event_id, "web")


WORDS = {
    "38 late word": ((said(20, "A"), said(10, "B")), "A"),
    "39 equal times": ((said(20, "A", "m1"), said(20, "B", "m2")), "B"),
    "40 unset, then a late word": ((said(30, None), said(25, "A")), None),
    "45 empty is a value": ((said(10, "A"), said(20, "")), ""),
    "claim after a server": ((said(10, "A"), said(90, "B", trust=0)), "A"),
    "server after a claim": ((said(90, "B", trust=0), said(10, "A")), "A"),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_register_is_the_same_in_any_order_and_however_often(name: str) -> None:
    words, expected = WORDS[name]
    for order in permutations(words):
        register = None
        for word in (*order, *order):
            register = fold(register, word)
        assert register is not None
        assert register.value == expected


def test_43_the_first_value_is_replaced_by_an_earlier_late_one() -> None:
    register = fold(fold(None, said(20, "A")), said(10, "B"))
    assert (register.value, register.first_value) == ("A", "B")


STRATEGIES_TOLD: list[tuple[StrategyName, list[Any], Any]] = [
    ("last", ["Tver", "Omsk"], "Omsk"),
    ("first", ["Tver", "Omsk"], "Tver"),
    ("union", ["a", ["a", "b"]], ["a", "b"]),
    ("min", [3, 10], 3),
    ("max", [10, 3], 10),
    ("max", ["2026-01-02", "2025-12-31"], "2026-01-02"),
    ("min", ["none", 7], 7),  # numbers before texts
    ("min", [True, False], False),  # neither: the last word
    ("any", [True, False], True),
    ("any", [False, False], False),
    ("all", [False, True], False),
    ("all", [True, True], True),
    ("consent", ["granted", "denied"], "denied"),
    ("consent", ["denied", "granted"], "granted"),
    ("consent", [False, None], False),  # to unset is no choice
]


@pytest.mark.parametrize(("strategy", "values", "expected"), STRATEGIES_TOLD)
def test_what_two_identifiers_say_becomes_one_trait_by_its_strategy(
    strategy: StrategyName, values: list[Any], expected: Any
) -> None:
    before, after = values
    store = told(call("m1", 10, "u1", traits={"x": before}), call("m2", 20, "e1", traits={"x": after}), call("m3", 30, "u1 e1"))
    assert traits_of(store, "user_id:u1", x=strategy) == {"x": expected}


def test_of_two_choices_at_one_time_the_one_that_permits_less_counts() -> None:
    for choices in (("granted", "denied"), ("denied", "granted")):
        calls = [
            call(f"m{n}", 10, name, traits={"mail": choice})
            for n, (name, choice) in enumerate(zip(("u1", "e1"), choices, strict=True))
        ]
        assert traits_of(told(*calls, call("m3", 30, "u1 e1")), "user_id:u1", mail="consent") == {"mail": "denied"}


def test_what_was_said_on_a_device_before_its_history_begins_is_not_its_persons() -> None:
    for trust in (0, 2):
        store = MemoryStore(Policy(history=60))
        for one in (
            call("m1", 1, "c1", trust, traits={"city": "Tver"}),
            call("m2", 50, "c1", trust, traits={"size": "L"}),
            call("m3", 100, "u1 c1", trust),
        ):
            store.deliver([one])
        assert traits_of(store, "user_id:u1") == {"size": "L"}


def test_a_claimed_login_hides_nothing_that_a_server_said_of_a_device() -> None:
    store = MemoryStore(Policy(history=60))
    for one in (call("m1", 1, "c1", 2, traits={"city": "Tver"}), call("m2", 100, "u1 c1", 0)):
        store.deliver([one])
    assert traits_of(store, "user_id:u1") == {"city": "Tver"}


def test_41_a_merge_takes_the_later_word_and_an_unmerge_gives_each_its_own() -> None:
    store = told(call("m1", 10, "u1", traits={"city": "Tver"}), call("m2", 20, "e1", traits={"city": "Omsk"}))
    store.deliver([call("m3", 30, "u1 e1")])
    assert traits_of(store, "user_id:u1") == {"city": "Omsk"}
    row = next(row for row in store.log if row.action == "merge")
    by = Operator("anna", "wrong", 50, "op")
    sides = row.detail["moved"], row.detail["kept"], row.other_contact
    store.write(unmerge(store.everything(), *sides, by, policy=store.policy, sequence=store.sequence))
    assert traits_of(store, "user_id:u1") == {"city": "Tver"}
    assert traits_of(store, "email:e1") == {"city": "Omsk"}


def test_44_a_word_on_a_shared_device_is_nobodys() -> None:
    store = told(
        call("m1", 10, "u1 c1"), call("m2", 20, "u2 c1"),
        call("m3", 15, "c1", traits={"before": 1}), call("m4", 25, "c1", traits={"after": 1}),
    )  # fmt: skip
    assert traits_of(store, "user_id:u1") == {"before": 1}


def test_a_claimed_login_does_not_hide_what_a_server_said_of_the_device() -> None:
    store = told(
        call("m1", 10, "u1 c1"), call("m2", 20, "u2 c1", 0),
        call("m3", 25, "c1", traits={"tier": "gold"}), call("m4", 26, "c1", 0, traits={"note": "claimed"}),
    )  # fmt: skip
    assert store.row("anonymous_id:c1").shared_from == 20
    assert traits_of(store, "user_id:u1") == {"tier": "gold"}


def test_what_a_claim_ties_to_a_person_weighs_as_a_claim() -> None:
    store = told(call("m1", 10, "u1", traits={"city": "Tver"}), call("m2", 20, "c1", traits={"city": "Omsk", "shoe": 40}))
    store.deliver([call("m3", 30, "u1 c1", 0)])
    assert store.together("user_id:u1", "anonymous_id:c1")
    assert traits_of(store, "user_id:u1") == {"city": "Tver", "shoe": 40}


def test_strategies() -> None:
    store = told(
        call("m1", 10, "u1", traits={"name": "Anna", "tags": ["a"]}),
        call("m2", 20, "c1", traits={"name": "Guest", "tags": ["b", "a"], "plan": "new"}),
        call("m3", 5, "e1", traits={"plan": "old"}), call("m4", 30, "u1 e1 c1"),
    )  # fmt: skip
    found = traits_of(store, "user_id:u1", name="known_first", tags="union", plan="first")
    assert found == {"name": "Anna", "tags": ["a", "b"], "plan": "old"}


def test_groups_are_traits() -> None:
    store = told(call("m1", 1, "u1", traits={"group:g1": {"seats": 5}}), call("m2", 2, "u1", traits={"group:g2": {}}))
    registers = [(store.identifiers[w.identifier], w.key, fold(None, w)) for w in store.traits]
    found = contact_traits(1, 1, registers, store.policy)
    assert {name: trait.value for name, trait in found.items()} == {"group:g1": {"seats": 5}, "group:g2": {}}


# -- explanations


def test_why_is_the_shortest_path_and_names_the_events() -> None:
    store = told(call("m1", 0, "e1 c1"), call("m2", 60_000_000, "u1 c1"), call("m3", 1, "u1 d1", 0))
    rows, edges = store.identifiers, list(store.edges.values())
    path = why(store.row("email:e1").id, store.row("device_id:d1").id, rows, edges)
    assert [reason.edge.rule for reason in path] == [INFERRED, 1]
    assert "joined because both used anonymous_id c1" in path[0].sentence
    assert "event m2, 1970-01-01 00:01, source test" in path[0].sentence
    assert path[1].sentence.endswith("a browser's claim")


def test_a_revoked_link_explains_nothing_and_a_refused_one_is_listed() -> None:
    store = told(call("m1", 1, "u1 e1"), call("m2", 2, "u2"), call("m3", 3, "u2 e1"))
    rows, edges = store.identifiers, list(store.edges.values())
    assert why(store.row("user_id:u1").id, 99, rows, edges) == []
    cut = [edge._replace(revoked=1) for edge in edges]
    assert why(store.row("user_id:u1").id, store.row("email:e1").id, rows, cut) == []
    assert [(item.reason, item.event_id) for item in refused(store.log)] == [("limit:user_id", "m3")]


def test_the_tree_holds_every_identifier_once() -> None:
    store = told(call("m1", 1, "u1 e1 c1"), call("m2", 2, "e1 c1"), call("m3", 3, "u1 p1 c1"))
    reasons = tree(store.identifiers, store.edges.values())
    assert len(reasons) == len(store.identifiers) - 1
    assert {i for reason in reasons for i in (reason.a, reason.b)} == set(store.identifiers)
    assert all(sentence(reason.edge, store.identifiers) == reason.sentence for reason in reasons)
