"""Attacks with a browser key on a shop whose server speaks the truth: what have they changed of what the server said?"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from tests.identity.invariants import broken, graph_of, i11_claims_take_nothing
from tests.identity.memory_store import MemoryStore
from tests.identity.streams import call, random_calls, small_policy

from tropa_collector.identity.records import Call, Key, Plan
from tropa_collector.identity.resolve import resolve
from tropa_collector.identity.traits import Register, contact_traits, fold, person_of


def truth(rng: random.Random, count: int) -> list[Call]:
    """The server's events, with traits."""
    return list(random_calls(rng, count, claims=0, width=4))


def attack(rng: random.Random, count: int, span: int) -> Iterator[Call]:
    """Claimed identifies of known users, aliases, invalid values, floods of new ids, claims dated back."""
    for number in range(count):
        ts = rng.choice([0, rng.randrange(span), rng.randrange(span)])
        kind = rng.randrange(6)
        victim, other = (f"{rng.choice('ueepcdtx')}{rng.randrange(4)}" for _ in range(2))
        words, alias = f"{victim} {other}", ""
        if kind == 0:
            words = f"u{rng.randrange(4)} e{rng.randrange(4)} c{rng.randrange(4)}"
        if kind == 1:
            words, alias = f"u{rng.randrange(6)}", rng.choice([f"u{rng.randrange(6)}", f"c{rng.randrange(4)}", "new"])
        if kind == 2:
            words = f"{victim} {rng.choice('uecp')}flood{number}"
        if kind == 3:
            words = f"uattacker {victim}"
        yield call(f"a{number:04}", ts, words, 0, traits={"city": "attacked"}, alias=alias)


def changed_by_attack(seed: int, planner: Callable[..., Plan] = resolve) -> list[str]:
    """What differs between a history with an attack in it and the same without, for everything a server proved."""
    rng = random.Random(seed)
    policy = small_policy(rng)
    honest, hostile = truth(rng, 14), list(attack(rng, 25, 140))
    batches = woven(rng, honest, hostile)
    attacked, alone = MemoryStore(policy, planner), MemoryStore(policy, planner)
    for batch in batches:
        attacked.deliver(batch)
        alone.deliver([one for one in batch if one.trust])
    wrong = [*broken(attacked), *i11_claims_take_nothing(attacked, batches)]
    before, after = server_traits(alone), server_traits(attacked)
    wrong += [f"{key}: {value} became {after.get(key)}" for key, value in before.items() if after.get(key) != value]
    return wrong


def woven(rng: random.Random, honest: list[Call], hostile: list[Call]) -> list[list[Call]]:
    """Both streams, each in its own order, cut into batches."""
    honest, hostile, batches = list(honest), list(hostile), []
    while honest or hostile:
        batch = []
        for _ in range(rng.choice([1, 1, 3, 6])):
            source = honest if honest and (not hostile or rng.random() < 0.4) else hostile
            if source:
                batch.append(source.pop(0))
        batches.append(batch)
    return batches


def server_traits(store: MemoryStore) -> dict[tuple[Key, str], object]:
    """Of every proven person's known identifiers: the traits of its contact that a server set."""
    graph = graph_of(store)
    registers: dict[tuple[int, str], Register] = {}
    for write in store.traits:
        place = (write.identifier, write.key)
        registers[place] = fold(registers.get(place), write)
    found: dict[tuple[Key, str], object] = {}
    for contact, body in graph.members.items():
        rows = [graph.identifiers[i] for i in body]
        person = person_of(rows, store.policy)
        if not person:
            continue
        said = [(graph.identifiers[i], key, register) for (i, key), register in registers.items() if i in body]
        for name, trait in contact_traits(contact, person, said, store.policy).items():
            for row in rows:
                if trait.register.trust and row.core == person and graph.kind(row.id).known:
                    found[(row.kind, row.value), name] = trait.value
    return found
