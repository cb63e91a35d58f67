"""The numbered cases of the specification that a planner can decide without a database.

Left to the store's tests: 36 (the log refuses UPDATE), 54–59, 61, 63–65 (workers, crashes, statements, engines).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import permutations

import pytest
from tests.identity.invariants import broken, i8_recomputed
from tests.identity.memory_store import MemoryStore
from tests.identity.streams import KINDS, call

from tropa_collector.identity.operations import OperationError, Operator, lift, merge, rebuild, relink, split, unmerge
from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import ERASED, INFERRED, MANUAL, Call, Plan
from tropa_collector.identity.resolve import order_time

CLAIM, SIGNED, SERVER = 0, 1, 2
DAY = 86_400_000_000


@dataclass(frozen=True)
class Case:
    """``events`` are ``"ts names"`` or ``"ts names trust"`` lines; ``together`` and ``apart`` name the outcome."""

    events: tuple[str, ...]
    together: tuple[str, ...] = ()  # "u1 c1" : one contact
    apart: tuple[str, ...] = ()  # "u1 u2" : all in different contacts
    log: tuple[str, ...] = ()  # actions that must be in the log
    never: tuple[str, ...] = ()  # actions that must not
    owners: dict[str, str] = field(default_factory=dict)  # event id -> identifier whose contact it belongs to, or "nobody"
    policy: Policy = field(default_factory=Policy)


def told(line: str, number: int) -> Call:
    ts, *words = line.split()
    trust = {"claim": CLAIM, "signed": SIGNED}.get(words[-1], SERVER)
    alias = next((word.removeprefix("alias=") for word in words if word.startswith("alias=")), "")
    names = [word for word in words if word.strip("~!")[0] in KINDS and "=" not in word and word not in ("claim", "signed")]
    return call(f"m{number}", int(ts), " ".join(names), trust, alias=alias)


def play(case: Case) -> MemoryStore:
    store = MemoryStore(case.policy)
    for number, line in enumerate(case.events, 1):
        store.deliver([told(line, number)])
    return store


def named(store: MemoryStore, words: str) -> list[int]:
    return [next(row.contact for row in store.identifiers.values() if row.value == word) for word in words.split()]


FIVE_EMAILS = tuple(f"{n} u1 e{n}" for n in range(1, 6))
CASES = {
    "1 history joins on identify": Case(
        ("1 c1", "2 c1", "3 c1", "9 u1 c1"), ("u1 c1",), owners={"m1": "u1", "m2": "u1", "m3": "u1"}
    ),
    "2 second cookie": Case(("1 u1 c1", "5 c2", "9 u1 c2"), ("u1 c1 c2",), owners={"m2": "u1"}),
    "3 first event is identify": Case(("1 u1 e1 c1",), ("u1 e1 c1",), log=("create", "attach")),
    "4 traits without ids": Case(("1 c1", "2 c1"), ("c1",)),
    "5 lead form then registration": Case(("1 e1 c1", "5 u1 c1"), ("e1 u1 c1",)),
    "6 strict devices": Case(
        ("1 e1 c1", "5 u1 c1"), ("e1 c1",), ("e1 u1",), ("conflict:device_known", "share"),
        policy=Policy(device_policy="anonymous_only"),
    ),
    "7 server first": Case(("1 u1", "5 u1 c1"), ("u1 c1",)),
    "9-11 shared cookie": Case(
        ("10 u1 c1", "20 u2 c1", "5 c1", "15 c1", "25 c1"), ("u1 c1",), ("u1 u2",),
        owners={"m1": "u1", "m2": "u2", "m3": "u1", "m4": "u1", "m5": "nobody"},
    ),
    "12 the same, in reverse": Case(
        ("20 u2 c1", "10 u1 c1", "5 c1", "15 c1", "25 c1"), ("u1 c1",), ("u1 u2",),
        owners={"m3": "u1", "m4": "u1", "m5": "nobody"},
    ),
    "9-11 shared cookie, the owner's": Case(
        ("10 u1 c1", "20 u2 c1", "5 c1", "15 c1", "25 c1"), ("u1 c1",), ("u1 u2",), never=("share",),
        owners={"m2": "u2", "m3": "u1", "m5": "u1"}, policy=Policy(shared_device_policy="owner"),
    ),
    "history of sixty": Case(
        ("1 c1", "50 c1", "100 u1 c1"), ("u1 c1",), owners={"m1": "nobody", "m2": "u1", "m3": "u1"}, policy=Policy(history=60)
    ),
    "no history": Case(("50 c1", "100 u1 c1", "120 c1"), ("u1 c1",), owners={"m1": "nobody", "m3": "u1"}, policy=Policy(history=0)),
    "history, an earlier login comes late": Case(
        ("1 c1", "100 u1 c1", "61 u1 c1"), ("u1 c1",), owners={"m1": "u1"}, log=("share:history",), policy=Policy(history=60)
    ),
    "history, an earlier visit comes late": Case(
        ("100 u1 c1", "1 c1"), ("u1 c1",), owners={"m2": "nobody"}, log=("share:history",), policy=Policy(history=60)
    ),
    "history by way of another device": Case(
        ("1 d1", "2 c1 d1", "100 u1 c1"), ("u1 c1 d1",), owners={"m1": "nobody", "m2": "nobody"}, policy=Policy(history=60)
    ),
    "history of a second device": Case(
        ("1 u1 c1", "10 c2", "100 u1 c2"), ("u1 c1 c2",), owners={"m1": "u1", "m2": "nobody"}, policy=Policy(history=60)
    ),
    "history begins with the email": Case(
        ("1 c1", "70 e1 c1", "200 u1 c1"), ("u1 e1 c1",), owners={"m1": "nobody", "m2": "u1"}, policy=Policy(history=60)
    ),
    "13 one email, two logins": Case(
        ("10 u1 c1", "20 u2 c1", "30 u1 e1", "40 u2 e1"), ("u1 e1",), ("u1 u2",), ("conflict:limit:user_id",)
    ),
    "14 alias ends the sharing": Case(
        ("10 u1 c1", "20 u2 c1", "25 c1", "30 u2 alias=u1"), ("u1 u2 c1",), log=("share", "unshare"), owners={"m3": "u1"}
    ),
    "15 kiosk": Case(
        tuple(f"{n} u{n} c1" for n in range(1, 23)), apart=tuple(f"u{n} u22" for n in range(1, 22)),
        log=("quarantine", "conflict:quarantined"), owners={"m22": "u22"},
    ),
    "an earlier visit to a kiosk, history bounded": Case(
        (*(f"{n} u{n} c1" for n in range(10, 32)), "1 c1"), log=("quarantine",), owners={"m23": "nobody"},
        policy=Policy(history=0, shared_device_policy="owner"),
    ),
    "16 analytics id never joins": Case(("1 u1 c1 g1", "2 u2 c2 g1"), ("u1 g1",), ("u1 u2",)),
    "16 analytics id of a claim, then of a server": Case(("1 e1 c1 g1 claim", "2 u2", "3 u2 g1"), ("e1 c1", "u2 g1"), ("e1 u2",)),
    "16 analytics id of a claim, then of a new login": Case(("1 c1 g1 claim", "2 u2 g1"), ("u2 g1",), ("c1 u2",)),
    "16 analytics id alone joins its person": Case(("1 g1 claim", "2 u2", "3 u2 g1"), ("u2 g1",), owners={"m1": "u2"}),
    "17 push token follows the last login": Case(("1 u1 t1", "9 u2 t1", "5 u1 t1"), ("u2 t1",), ("u1 u2",), ("move",)),
    "18 late earlier login": Case(("10 u1 c1 d1", "5 u2 c1"), ("u2 c1", "u1 d1"), ("u1 u2",), ("move", "share")),
    "19 two contacts meet": Case(("1 u1", "2 e1", "3 u1 e1"), ("u1 e1",), log=("merge",)),
    "20 limit": Case(
        ("1 u1 e1", "2 u2", "3 u2 e1"), ("u1 e1",), ("u1 u2",), ("conflict:limit:user_id",), owners={"m3": "u2"}
    ),
    "21 limits hold, so joined": Case(("1 e1 p1", "2 e2 p2", "3 e1 p2"), ("e1 e2 p1 p2",)),
    "22 sixth email": Case((*FIVE_EMAILS, "6 u1 e6"), ("u1 e1 e5",), log=("refuse:limit:email",), owners={"m6": "u1"}),
    "23 sixth email alone": Case(
        ("1 e1 p1", "2 e2 p1", "3 e3 p1", "4 e4 p1", "5 e5 p1 c1", "6 e6 c1"), ("e1 e5 p1 c1",), ("e1 e6",), ("share",),
        owners={"m6": "e6"},
    ),
    "24 family phone": Case(("1 x1 p1", "2 x2 p1"), ("x1 p1",), ("x1 x2",), ("conflict:limit:ext.crm",)),
    "25 three at once": Case(
        ("1 u1 e1", "2 p1", "3 x1", "4 u2 e2", "5 u1 e2 p1 x1"), ("u1 e1 p1 x1",), ("u1 u2",), ("conflict:limit:user_id",)
    ),
    "28 alias by a server": Case(("1 u1", "2 u2", "3 u2 alias=u1"), ("u1 u2",), never=("conflict:limit:user_id",)),
    "28 alias before the old id": Case(("1 u2 alias=u1", "2 u1"), ("u1 u2",)),
    "29 alias by a browser": Case(
        ("1 u1", "2 u2", "3 u2 alias=u1 claim"), apart=("u1 u2",), log=("conflict:alias_claimed",)
    ),
    "29 alias of a cookie by a browser": Case(("1 c1 claim", "3 u2 alias=c1 claim"), ("u2 c1",)),
    "50 invalid phone": Case(("1 u1 !p1", "2 u2 !p1"), ("u1 p1",), ("u1 u2",)),
    "51 role address": Case(("1 u1 !e1", "2 u2 !e1"), ("u1 e1",), ("u1 u2",), ("conflict:no_merge",)),
    "51 role address on cookies": Case(("1 !e1 c1", "2 !e1 c2", "3 !e1 c3"), apart=("c1 c2 c3",)),
    "51 role address of a claim, then of a server": Case(("1 c1 !e1 claim", "2 u2 c2 !e1"), ("u2 c2 e1",), ("c1 u2",)),
    "a rule set later: joins no person": Case(("1 u1 e1", "2 x2", "3 x2 !e1"), ("u1 e1",), ("u1 x2",), ("conflict:no_merge",)),
    "a rule set later: joins no newcomer": Case(("1 u1 e1", "2 x2 !e1"), ("u1 e1",), ("u1 x2",), ("conflict:no_merge",)),
    "a rule set later: takes no device": Case(
        ("1 u1 e1", "9 u2 c2", "10 !e1 c2 claim", "2 !e1 c2 claim", "12 c2"), ("u2 c2",), ("u1 u2",), never=("share", "move"),
    ),
    "a rule set later: holds against claims": Case(
        ("1 e1 c1 claim", "2 !e1 c2 claim", "3 u2 !e1"), ("e1 c1",), ("c1 c2 u2",), ("conflict:no_merge",)
    ),
    "a rule set later: what it has stays": Case(
        ("1 u1 e1 c1 claim", "2 u1 !e1", "3 u1 !e1 c1"), ("u1 e1 c1",), never=("conflict:no_merge",)
    ),
    "67 attacker claims, server knows": Case(("1 u9 e1 claim", "2 u1 e1"), ("u1 e1",), ("u1 u9",), ("release:limit:user_id",)),
    "68 claims fill the emails": Case((*(f"{line} claim" for line in FIVE_EMAILS), "6 u1 e6"), ("u1 e6 e1 e4",), ("u1 e5",)),
    "69 claimed logins do not quarantine": Case(
        (*(f"{n} u{n} e1 claim" for n in range(1, 7)), "9 u9 e1"), ("u9 e1",), never=("quarantine",)
    ),
    "71 claim between two proven": Case(
        ("1 u1", "2 u2 e2", "3 u1 e2 claim"), ("u2 e2",), ("u1 u2",), ("conflict:claimed",)
    ),
    "71 the server repeats it": Case(
        ("1 u1", "2 u2 e2", "3 u1 e2 claim", "4 u1 e2"), ("u2 e2",), ("u1 u2",), ("conflict:limit:user_id",)
    ),
    "72 claim waits for proof": Case(("1 u1", "2 e1", "3 u1 e1 claim"), apart=("u1 e1",), log=("conflict:claimed",)),
    "72 proof comes": Case(("1 u1", "2 e1", "3 u1 e1 claim", "4 u1 e1"), ("u1 e1",)),
    "72 the claim came first": Case(("1 u1 e1 claim", "2 u1", "3 e1"), apart=("u1 e1",)),
    "73 friend's email": Case(
        ("1 u2 e2", "5 u1 c1", "9 e2 c1 claim", "12 c1"), ("u1 c1", "u2 e2"), ("u1 u2",), ("conflict:claimed",), ("share",),
        owners={"m4": "u1"},
    ),
    "73 friend's claimed email": Case(
        ("1 u2 e2 claim", "5 u1 c1 claim", "9 e2 c1 claim", "12 c1 claim"), ("u1 c1",), ("u1 u2",),
        ("conflict:foreign_point",), ("share",), owners={"m4": "u1"},
    ),
    "75 token for one, email of another": Case(
        ("1 u2 e2", "2 u1 ~e2 c1 signed"), ("u1 c1", "u2 e2"), ("u1 u2",), ("conflict:claimed",)
    ),
    "story, browser keys alone": Case(
        ("1 c1 claim", "2 e1 c1 claim", "3 u1 c1 claim", "4 c2 claim", "5 u1 c2 claim", "6 p1 r1", "7 u1 p1"),
        ("c1 e1 u1 c2 p1 r1",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case = CASES[name]
    store = play(case)
    for words in case.together:
        assert len(set(named(store, words))) == 1, words
    for words in case.apart:
        assert len(set(named(store, words))) == len(words.split()), words
    actions = [action.rstrip(":") for action in store.actions()]
    assert set(case.log) <= set(actions)
    assert not set(case.never) & set(actions)
    for event_id, owner in case.owners.items():
        contact = store.contact_of(event_id)
        if owner == "nobody":
            assert store.contacts[contact].status == 2
        else:
            assert [contact] == named(store, owner)
    assert broken(store) == []


def test_a_history_that_is_bounded_no_more_is_whole_again_at_the_next_login() -> None:
    store = play(Case(("1 c1", "100 u1 c1"), policy=Policy(history=60)))
    assert store.row("anonymous_id:c1").known_from == 40
    store.policy = Policy()
    store.deliver([told("90 u1 c1", 3)])
    assert store.row("anonymous_id:c1").known_from is None
    assert store.contact_of("m1") == store.row("user_id:u1").contact


def test_1_and_2_no_event_is_rewritten_and_the_known_contact_keeps_its_id() -> None:
    store = MemoryStore(Policy())
    store.deliver([call("m1", 1, "u1 c1"), call("m2", 5, "c2")])
    anchors, contact = dict(store.events), store.row("user_id:u1").contact
    store.deliver([call("m3", 9, "u1 c2")])
    assert {event: store.events[event] for event in anchors} == anchors
    assert store.contact_of("m2") == store.row("user_id:u1").contact == contact


def test_8_the_known_contact_survives_with_the_older_first_seen() -> None:
    store = MemoryStore(Policy())
    store.deliver([call("m1", 1, "c1")])
    store.deliver([call("m2", 5, "u1")])
    known = store.row("user_id:u1").contact
    store.deliver([call("m3", 9, "u1 c1")])
    assert store.row("anonymous_id:c1").contact == known
    assert store.contacts[known].first_seen == 1


def test_26_an_old_contact_id_leads_to_the_live_one_in_one_hop() -> None:
    store = MemoryStore(Policy())
    for line in (call("m1", 1, "x1"), call("m2", 2, "e1"), call("m3", 3, "u1")):
        store.deliver([line])
    old = store.row("email:e1").contact
    store.deliver([call("m4", 4, "x1 e1")])
    store.deliver([call("m5", 5, "u1 x1")])
    assert store.contacts[old].merged_into == store.row("user_id:u1").contact


def test_27_thirty_contacts_with_one_email_in_one_batch_do_not_become_a_blob() -> None:
    store = MemoryStore(Policy())
    store.deliver([call(f"a{n:02}", n, f"p{n} d{n}") for n in range(30)])
    store.deliver([call(f"b{n:02}", 100 + n, f"e1 p{n}") for n in range(30)])
    assert len(store.events) == 60
    assert max(len(body) for body in store.partition()) <= 12
    users = MemoryStore(Policy())
    users.deliver([call(f"b{n:02}", 100 + n, f"u{n} e1") for n in range(30)])
    assert "quarantine" in users.actions()
    assert broken(store) == broken(users) == []


@pytest.mark.parametrize("trust", [CLAIM, SERVER])
def test_66_cookie_email_and_login_are_one_contact_in_any_order(trust: int) -> None:
    events = [call("m1", 1, "c1", trust), call("m2", 2, "e1 c1", trust), call("m3", 3, "u1 c1", trust)]
    for order in permutations(events):
        store = MemoryStore(Policy())
        for one in order:
            store.deliver([one])
        assert store.together("anonymous_id:c1", "email:e1", "user_id:u1"), [event.event_id for event in order]


def test_70_a_thousand_claimed_cookies_make_room_for_a_proven_one() -> None:
    store = MemoryStore(Policy(max_identifiers=60))
    store.deliver([call("m0", 0, "u1 e1")])
    store.deliver([call(f"n{n}", n, f"u1 c{n}", CLAIM) for n in range(1, 100)])
    store.deliver([call("m1", 200, "u1 d1")])
    assert store.together("user_id:u1", "email:e1", "device_id:d1")
    assert broken(store) == []


def test_74_a_claim_reaches_back_a_week_and_nothing_lies_in_the_future() -> None:
    now = 1_000 * DAY
    assert order_time(now - 365 * DAY, now, CLAIM) == now - 7 * DAY
    assert order_time(now - 365 * DAY, now, SERVER) == now - 365 * DAY
    assert order_time(now + DAY, now, CLAIM) == order_time(now + DAY, now, SERVER) == now  # 42


def test_60_the_same_message_twice_in_a_batch_is_one() -> None:
    store = MemoryStore(Policy())
    store.deliver([call("m1", 1, "u1 c1"), call("m1", 1, "u1 c1")])
    assert len(store.events) == 1


def test_an_erased_identifier_is_not_made_again() -> None:
    store = MemoryStore(Policy())
    store.deliver([call("m1", 1, "e1 c1")])
    row = store.row("email:e1")
    store.identifiers[row.id] = row._replace(state=ERASED)
    store.deliver([call("m2", 2, "e1 c2"), call("m3", 3, "e1"), call("m4", 4, "u1 c3", alias="c1")])
    assert [store.events[event][1] for event in ("m2", "m3")] == [store.row("anonymous_id:c2").id, 0]
    assert store.row("email:e1").state == ERASED
    assert not store.together("email:e1", "anonymous_id:c2")


# -- operators

BY = Operator("anna", "a mistake", 500, "op1")
Operation = Callable[..., Plan]


def operate(store: MemoryStore, operation: Operation, *arguments: object, by: Operator = BY) -> Plan:
    plan = operation(store.everything(), *arguments, by, policy=store.policy, sequence=store.sequence)
    store.write(plan)
    return plan


def merged(*events: Call) -> tuple[MemoryStore, tuple[list[int], list[int], int], set[frozenset[tuple[str, str]]]]:
    """Two contacts, then the event that joins them: the store, what ``unmerge`` takes, and the partition before."""
    store = MemoryStore(Policy())
    for event in events[:-1]:
        store.deliver([event])
    before = store.partition()
    store.deliver([events[-1]])
    row = next(row for row in reversed(store.log) if row.action == "merge")
    return store, (row.detail["moved"], row.detail["kept"], row.other_contact), before


JOIN = (call("m1", 1, "u1 c1"), call("m2", 2, "e1 c2"), call("m3", 3, "u1 e1"))


def test_30_and_31_unmerge_restores_and_redelivery_does_not_join_again() -> None:
    store, arguments, before = merged(*JOIN)
    former = arguments[2]
    operate(store, unmerge, *arguments)
    assert store.partition() == before
    assert store.contact_of("m2") == store.row("email:e1").contact == former
    store.deliver([call("m4", 9, "u1 e1")])
    assert store.partition() == before
    assert "conflict:cannot_link" in store.actions()
    assert broken(store) == []


def test_32_what_came_after_the_merge_stays_on_its_side() -> None:
    store, arguments, _ = merged(*JOIN)
    store.deliver([call("m4", 4, "u1 c3")])
    operate(store, unmerge, *arguments)
    assert store.together("user_id:u1", "anonymous_id:c3")
    assert not store.together("user_id:u1", "email:e1")


def test_33_the_first_of_two_merges_can_be_undone() -> None:
    store, arguments, _ = merged(*JOIN)
    store.deliver([call("m5", 5, "x1 p1")])
    store.deliver([call("m6", 6, "u1 p1")])
    operate(store, unmerge, *arguments)
    assert store.together("user_id:u1", "ext.crm:x1", "phone:p1")
    assert not store.together("user_id:u1", "email:e1")
    assert broken(store) == []


def test_34_a_merge_by_a_device_undone_leaves_the_device_shared() -> None:
    store, arguments, _ = merged(call("m1", 1, "e1 c1"), call("m2", 2, "u1"), call("m3", 3, "u1 c1"))
    operate(store, unmerge, *arguments)
    assert not store.together("user_id:u1", "email:e1")
    assert store.row("anonymous_id:c1").shared_from == 3
    assert broken(store) == []


def test_35_an_anonymous_cookie_taken_out_keeps_its_own_events() -> None:
    store, arguments, _ = merged(call("m1", 1, "c1"), call("m2", 2, "u1"), call("m3", 3, "u1 c1"))
    operate(store, unmerge, *arguments)
    store.deliver([call("m4", 4, "u1 c1"), call("m5", 5, "c1")])
    user, cookie = store.row("user_id:u1").contact, store.row("anonymous_id:c1").contact
    assert user != cookie
    assert [store.contact_of(event) for event in ("m4", "m5")] == [user, cookie]


def test_36_a_manual_merge_passes_limits_and_is_flagged() -> None:
    store = MemoryStore(Policy())
    store.deliver([call("m1", 1, "u1 e1"), call("m2", 2, "u2 e2")])
    plan = operate(store, merge, store.row("user_id:u1").contact, store.row("user_id:u2").contact)
    assert store.together("user_id:u1", "user_id:u2", "email:e1", "email:e2")
    assert store.contacts[store.row("user_id:u1").contact].manual
    assert {row.actor for row in plan.log} == {"anna"}
    store.deliver([call("m3", 9, "u1 c1"), call("m4", 10, "u2 c1")])
    assert store.together("user_id:u1", "user_id:u2", "anonymous_id:c1")


def test_37_the_first_identifier_can_be_split_off() -> None:
    store = MemoryStore(Policy())
    store.deliver([call("m1", 1, "c1"), call("m2", 2, "u1 c1"), call("m3", 3, "u1 e1")])
    operate(store, split, store.row("user_id:u1").contact, [store.row("anonymous_id:c1").id])
    assert not store.together("user_id:u1", "anonymous_id:c1")
    assert store.together("user_id:u1", "email:e1")
    assert broken(store) == []


def test_a_split_takes_an_import_away_and_relink_brings_it_back() -> None:
    store = play(CASES["story, browser keys alone"])
    contact = store.row("user_id:u1").contact
    operate(store, split, contact, [store.row("import_row:r1").id, store.row("phone:p1").id])
    assert store.together("import_row:r1", "phone:p1")
    assert store.together("user_id:u1", "email:e1", "anonymous_id:c1", "anonymous_id:c2")
    assert not store.together("user_id:u1", "phone:p1")
    with pytest.raises(OperationError, match="relink"):
        operate(store, merge, contact, store.row("phone:p1").contact)
    operate(store, relink, store.row("user_id:u1").id, store.row("phone:p1").id)
    assert store.together("user_id:u1", "phone:p1", "import_row:r1", "email:e1")
    assert broken(store) == []


def test_a_quarantine_can_be_lifted_once() -> None:
    store = play(CASES["15 kiosk"])
    kiosk = store.row("anonymous_id:c1").id
    operate(store, lift, kiosk)
    assert store.row("anonymous_id:c1").state == 0
    with pytest.raises(OperationError):
        operate(store, lift, kiosk)


def test_an_erased_person_owns_no_device_and_still_counts_as_having_used_it() -> None:
    store = MemoryStore(Policy())
    store.deliver([call("m1", 10, "u1 c1"), call("m2", 20, "u2 c1"), call("m3", 30, "u1 c2")])
    store.erase(store.row("user_id:u2").contact, Operator("anna", "asked", 1_000, "op1"))
    assert store.row("anonymous_id:c1").shared_from == 20
    store.deliver([call("m4", 40, "u1 c1 e1"), call("m5", 50, "u2 c1"), call("m6", 60, "c1")])
    assert store.row("anonymous_id:c1").shared_from == 20  # what the erased one may have done there is not u1's
    assert store.contact_of("m6") != store.row("user_id:u1").contact
    operate(store, rebuild)
    assert store.together("user_id:u1", "anonymous_id:c1", "anonymous_id:c2", "email:e1")
    assert store.contacts[store.row("user_id:u2").contact].status not in (0, 1)
    assert broken(store) == []


def test_rebuilding_keeps_what_an_operator_joined_past_the_limits_and_says_so() -> None:
    store = MemoryStore(Policy())
    store.deliver([call("m1", 1, "u1 e1"), call("m2", 2, "u2 e2"), call("m3", 3, "e3 c1"), call("m4", 4, "x1 c1")])
    operate(store, merge, store.row("user_id:u1").contact, store.row("user_id:u2").contact)
    rules = {pair: edge.rule for pair, edge in store.edges.items()}
    operate(store, rebuild)
    assert store.together("user_id:u1", "email:e1", "user_id:u2", "email:e2")
    assert {pair: edge.rule for pair, edge in store.edges.items()} == rules
    assert {MANUAL, INFERRED} < set(rules.values())
    operate(store, split, store.row("user_id:u1").contact, [store.row("user_id:u2").id])
    operate(store, rebuild)
    assert not store.together("user_id:u1", "user_id:u2")


def test_rebuilding_a_history_without_conflicts_changes_nothing() -> None:
    store = play(CASES["story, browser keys alone"])
    contacts, partition = {row.id: row.contact for row in store.identifiers.values()}, store.partition()
    operate(store, rebuild)
    assert store.partition() == partition
    assert {row.id: row.contact for row in store.identifiers.values()} == contacts
    assert broken(store) == []


def test_splitting_nothing_off_is_refused() -> None:
    store = play(CASES["3 first event is identify"])
    with pytest.raises(OperationError, match="nothing to take apart"):
        operate(store, split, store.row("user_id:u1").contact, [row.id for row in store.identifiers.values()])
    assert list(i8_recomputed(store)) == []
