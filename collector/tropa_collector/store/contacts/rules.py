"""The rules that a store's contacts were made by: kept in it by who writes, for who reads it, whatever his own settings say."""

from __future__ import annotations

from functools import lru_cache

from tropa_collector.identity.policy import Policy, from_json
from tropa_collector.store.connection import Connection

HELD = "SELECT policy FROM identity_policy"
KEEP = "INSERT INTO identity_policy VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET policy = excluded.policy"


def policy_held(connection: Connection) -> Policy:
    row = connection.execute(HELD).fetchone()
    return _DEFAULT if row is None else _read(row[0])


def keep_policy(connection: Connection, policy: str) -> None:
    """Keep what ``to_json`` made of a policy, unless it is there already."""
    row = connection.execute(HELD).fetchone()
    if row is None or row[0] != policy:
        connection.execute(KEEP, (policy,))


@lru_cache(maxsize=8)
def _read(text: str) -> Policy:
    return from_json(text)


_DEFAULT = Policy()
