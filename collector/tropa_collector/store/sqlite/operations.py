"""What operators ask of the store. Each function runs in a transaction of its own, in the writer, and returns plain values.

A new operation is a function in a module beside and a line in ``OPERATIONS``; it raises ``Refused`` with a sentence for the
operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tropa_collector.store.sqlite.erasure import compact, erase, rewrite, truncate
from tropa_collector.store.sqlite.imported import hang_import_traits
from tropa_collector.store.sqlite.merging import (
    lift_quarantine,
    merge_contacts,
    preview_merge,
    relink_identifiers,
    split_contact,
)
from tropa_collector.store.sqlite.workplace import Refused, Workplace

__all__ = ["OPERATIONS", "Refused", "Workplace"]

OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "merge_contacts": merge_contacts,
    "preview_merge": preview_merge,
    "split_contact": split_contact,
    "relink_identifiers": relink_identifiers,
    "lift_quarantine": lift_quarantine,
    "hang_import_traits": hang_import_traits,
    "erase": erase,
    "compact": compact,
}
#: What follows once an operation is on disk, outside of any transaction; its result is added to the operation's.
AFTER_COMMIT: Mapping[str, Callable[..., dict[str, Any]]] = {"erase": truncate, "compact": rewrite}
