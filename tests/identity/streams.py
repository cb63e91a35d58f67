"""Calls written briefly for tables, and random streams of them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tropa_collector.identity.policy import NO_MERGE_RANK, DevicePolicy, Policy, SharedDevicePolicy, kind_table
from tropa_collector.identity.records import Call, Ident, Key

KINDS = {
    "u": "user_id", "e": "email", "p": "phone", "c": "anonymous_id", "d": "device_id",
    "g": "ga_client_id", "t": "push_token", "x": "ext.crm", "r": "import_row",
}  # fmt: skip
JOIN_NOBODY = ("e0", "p0")  # as an address of a role and an invalid phone do
TABLE = kind_table()


def key(name: str) -> Key:
    """``u1`` is user id 1, ``e2`` email 2, ``c3`` cookie 3 … see KINDS."""
    return KINDS[name[0]], name


def ident(name: str, trust: int, *, no_merge: bool = False) -> Ident:
    rank = NO_MERGE_RANK if no_merge else TABLE[KINDS[name[0]]].priority
    return Ident(key(name), trust, rank if trust else rank + 100, no_merge)


def call(
    event_id: str, ts: int, names: str, trust: int = 2, *, traits: dict[str, object] | None = None, alias: str = "",
) -> Call:  # fmt: skip
    """``names``: words such as ``"u1 e1 c1"``; ``~`` before one makes it a claim, ``!`` one that joins nobody."""
    idents = []
    for word in names.split():
        own = 0 if "~" in word else trust
        name = word.strip("~!")
        idents.append(ident(name, own, no_merge="!" in word or name in JOIN_NOBODY))
    ordered = tuple(sorted(idents, key=lambda i: (i.rank, *i.key)))
    previous = (("user_id", alias), ("anonymous_id", alias)) if alias else None
    return Call(event_id, ts, "test", trust if trust == 2 else 0, ordered, traits, previous)


DEVICE_POLICIES: tuple[DevicePolicy, ...] = (
    "complementary", "complementary", "complementary", "anonymous_only", "limits",
)  # fmt: skip


def small_policy(rng: random.Random) -> Policy:
    """Limits low enough to be met within a few events."""
    table = kind_table()
    table["email"] = table["email"]._replace(limit=2)
    table["phone"] = table["phone"]._replace(limit=2)
    table["push_token"] = table["push_token"]._replace(limit=2)
    table["ga_client_id"] = table["ga_client_id"]._replace(limit=2)
    device: DevicePolicy = rng.choice(DEVICE_POLICIES)
    roomy = rng.random() < 0.4
    own = random.Random(rng.getstate()[1][0])  # of what came later: the streams of old seeds stay as they were
    shared: SharedDevicePolicy = own.choice(("anonymous", "anonymous", "owner"))
    return Policy(
        kinds=table, device_policy=device, shared_device_policy=shared,
        history=own.choice((None, None, None, 0, 60)), max_identifiers=1_000 if roomy else 7, max_merges=500 if roomy else 6,
        velocity_merges=10 if roomy else 2, velocity_window=40, quarantine_point_users=5 if roomy else 2,
        quarantine_device_claimants=20 if roomy else 3, claimed_conflicts=50 if roomy else 3,
    )  # fmt: skip


def random_calls(rng: random.Random, count: int, *, claims: float, width: int = 4, aliases: float = 0.05) -> Iterator[Call]:
    """Events over a small world of identifiers; ``claims`` is the share of browser events."""
    for number in range(count):
        trust = 0 if rng.random() < claims else 2
        ts = rng.choice([number * 10, number * 10, rng.randrange(0, count * 10)])
        names = [f"{rng.choice('uuuueeeppcccccddgtx')}{rng.randrange(width)}" for _ in range(rng.choice([1, 2, 2, 2, 3, 4]))]
        names = list({name[0] if name[0] in "ux" else name: name for name in names}.values())
        alias = ""
        if rng.random() < aliases:
            names = [f"u{rng.randrange(width)}"]
            alias = rng.choice([f"u{rng.randrange(width)}", f"c{rng.randrange(width)}", f"n{rng.randrange(width)}"])
        marks = names
        if trust and rng.random() < 0.2 * bool(claims):
            trust = 1
            marks = [("~" if rng.random() < 0.4 else "") + name for name in marks]
        traits: dict[str, object] | None = {"city": number} if rng.random() < 0.3 else None
        yield call(f"m{number:04}", ts, " ".join(marks), trust, traits=traits, alias=alias)


def in_batches(calls: list[Call], rng: random.Random, size: int) -> Iterator[list[Call]]:
    start = 0
    while start < len(calls):
        step = rng.randint(1, size)
        yield calls[start : start + step]
        start += step
