"""What operators ask of the store. Each function runs in a transaction of its own, in the writer, and returns plain values.

A new operation is a function here (or in a module beside) and a line in ``OPERATIONS``; it raises ``Refused`` with a sentence
for the operator.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tropa_collector.store.sqlite.identity import Resolution


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The operation cannot be done; the text says why."""


class Workplace(NamedTuple):
    """What an operation works with."""

    connection: sqlite3.Connection
    resolution: Resolution


OPERATIONS: Mapping[str, Callable[..., Any]] = {}
