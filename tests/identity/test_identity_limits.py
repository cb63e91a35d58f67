"""Limits of what one device and one contact hold: from when a device is shared, and how large two may become together."""

from __future__ import annotations

from tests.identity.memory_store import MemoryStore
from tests.identity.streams import call

from tropa_collector.identity.policy import Policy


def test_a_device_is_shared_from_the_second_persons_first_time_on() -> None:
    store = MemoryStore(Policy())
    for number, user in enumerate(("u1", "u2", "u3"), start=1):
        store.deliver([call(f"m{number}", 10 * number, f"{user} c1")])
    assert store.row("anonymous_id:c1").shared_from == 20
    store.deliver([call("m0", 15, "u3 c1")])
    assert store.row("anonymous_id:c1").shared_from == 15


def test_two_contacts_too_large_to_be_one_stay_two() -> None:
    store = MemoryStore(Policy(max_identifiers=4))
    store.deliver([call("m1", 1, "u1 c1"), call("m2", 2, "u1 c2"), call("m3", 3, "e1 c3"), call("m4", 4, "e1 c4")])
    store.deliver([call("m5", 5, "u1 e1")])
    assert not store.together("user_id:u1", "email:e1")
    assert [row.reason for row in store.log if row.action == "conflict"] == ["cap"]
