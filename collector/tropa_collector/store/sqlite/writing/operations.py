"""What operators ask of the embedded store: the operations of every store, and one that only a file needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tropa_collector.store.operations.registry import OPERATIONS as SHARED
from tropa_collector.store.sqlite.writing.compaction import compact, rewrite, truncate

OPERATIONS: Final[Mapping[str, Callable[..., Any]]] = {**SHARED, "compact": compact}
#: What follows once an operation is on disk, outside of any transaction; its result is added to the operation's.
AFTER_COMMIT: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {"erase": truncate, "compact": rewrite}
