"""The operations of every store. Each function runs in a transaction of its own, in the writer, and returns plain values.

A new operation is a function in a module beside and a line in ``OPERATIONS``; it raises ``Refused`` with a sentence for the
operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tropa_collector.store.operations.erasure import erase
from tropa_collector.store.operations.imported import hang_import_traits
from tropa_collector.store.operations.merging import (
    lift_quarantine,
    merge_contacts,
    preview_merge,
    rebuild_contact,
    relink_identifiers,
    split_contact,
)

OPERATIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "merge_contacts": merge_contacts,
    "preview_merge": preview_merge,
    "split_contact": split_contact,
    "relink_identifiers": relink_identifiers,
    "lift_quarantine": lift_quarantine,
    "rebuild_contact": rebuild_contact,
    "hang_import_traits": hang_import_traits,
    "erase": erase,
}
