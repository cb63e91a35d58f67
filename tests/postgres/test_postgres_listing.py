"""What is taken out of PostgreSQL is what SQLite would have given for the same events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.contacts.file_store import NOW, FileStore, record_of
from tests.identity.streams import in_batches, random_calls
from tests.postgres.database_store import Databases, DatabaseStore

from tropa_collector.identity.policy import DAY, Policy
from tropa_collector.store.postgres.reading import listing
from tropa_collector.store.protocol import Submission
from tropa_collector.store.sqlite.reading import listing as file_listing

NAMES = ("Product Added", "Order Completed")


@pytest.fixture
def both(tmp_path: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """The same days in a file and in a database, which is read in pages of a few rows."""
    monkeypatch.setattr(listing, "PAGE_ROWS", 7)
    stores: list[Any] = [FileStore(tmp_path / "store.sqlite3", Policy()), DatabaseStore(databases.take(), Policy())]
    dice = random.Random(3)
    for number, batch in enumerate(in_batches(list(random_calls(dice, 120, claims=0.4, width=7, aliases=0.0)), dice, 10)):
        records = []
        for one in batch:
            body = orjson.dumps({"messageId": one.event_id}).decode()
            records.append(record_of(one, received_at=NOW + number * DAY // 3, name=dice.choice(NAMES), body=body))
        for store in stores:
            store.commit(Submission(records))
    yield stores[0].path, stores[1].url
    for store in stores:
        store.close()
    databases.give_back(stores[1].url)


def test_events_contacts_and_traits_are_the_same(both: tuple[Path, str]) -> None:
    file, url = both
    assert listing.trait_names(url) == file_listing.trait_names(file) == ["city"]
    by_event: tuple[dict[str, Any], ...] = ({}, {"since": NOW + DAY}, {"name": "Order Completed"}, {"type_": "page"})
    for asked in by_event:
        wanted = {"since": None, "type_": None, "name": None, **asked}
        assert list(listing.list_events(url, **wanted)) == list(file_listing.list_events(file, **wanted))
    both_ways = {"did": NAMES[0], "not_did": NAMES[1], "since": 500}
    by_contact: tuple[dict[str, Any], ...] = ({}, {"did": NAMES[0]}, {"not_did": NAMES[1]}, both_ways)
    for asked in by_contact:
        wanted = {"since": None, "did": None, "not_did": None, **asked}
        assert list(listing.list_contacts(url, **wanted)) == list(file_listing.list_contacts(file, **wanted))


def test_keys_that_are_stored_already_are_counted(both: tuple[Path, str]) -> None:
    count, close = listing.key_counter(both[1])
    assert (count([("user_id", "u1"), ("user_id", "nobody")]), count([])) == (1, 0)
    close()
