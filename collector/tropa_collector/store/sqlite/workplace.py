"""What an operation works with, and how it says no."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from tropa_collector.store.sqlite.identity import Resolution


class Refused(Exception):
    """The operation cannot be done; the text says why."""


class Workplace(NamedTuple):
    """The writer's connection, inside a transaction, and the identity of its store."""

    connection: sqlite3.Connection
    resolution: Resolution
