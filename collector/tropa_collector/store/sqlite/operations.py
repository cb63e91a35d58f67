"""What operators ask of the store. Each function runs in a transaction of its own, in the writer, and returns plain values.

A new operation is a function in a module beside and a line in ``OPERATIONS``; it raises ``Refused`` with a sentence for the
operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tropa_collector.store.sqlite.imported import hang_import_traits
from tropa_collector.store.sqlite.workplace import Refused, Workplace

__all__ = ["OPERATIONS", "Refused", "Workplace"]

OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "hang_import_traits": hang_import_traits,
}
