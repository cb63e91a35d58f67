"""An online copy of the store: one consistent snapshot, made by a reader, never in the writer's way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from tropa_collector.errors import StoreError
from tropa_collector.store.sqlite.file import FILE_NAME, make_private

Progress = Callable[[int, int], None]
_STEPS = 10_000  # of SQLite's machine, between two words about progress: some dozen a second


def backup(directory: Path, target: Path, progress: Progress = lambda done, total: None) -> int:
    """Copy the store of ``directory`` to the file ``target`` and check the copy. Its size in bytes.

    ``progress`` is told the bytes that are copied, and of how many.

    Raises:
        StoreError: no store there, the target exists, or the copy is damaged.
    """
    source = directory / FILE_NAME
    if not source.is_file():
        raise StoreError(f"There is no store in {directory}.")
    if target.exists():
        raise StoreError(f"{target} exists. Name a new file; a backup overwrites nothing.")
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    reader = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
    try:
        make_private(partial)  # as personal as the store, and often in a folder that others read
        _watch(reader, partial, progress)
        reader.execute("VACUUM INTO ?", (str(partial),))
    except (sqlite3.Error, OSError) as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"The copy failed: {error}.") from None
    finally:
        reader.close()
    size = partial.stat().st_size
    progress(size, size)
    _check(partial)
    partial.rename(target)
    return size


def _watch(reader: sqlite3.Connection, partial: Path, progress: Progress) -> None:
    """The copy is one statement: how far it is, its file tells."""
    (pages,), (free,), (page_bytes,) = (
        reader.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
    )

    def look() -> int:
        if partial.exists():
            progress(partial.stat().st_size, (pages - free) * page_bytes)
        return 0

    reader.set_progress_handler(look, _STEPS)


def _check(path: Path) -> None:
    copy = sqlite3.connect(path)
    try:
        (result,) = copy.execute("PRAGMA integrity_check").fetchone()
    finally:
        copy.close()
    if result != "ok":
        raise StoreError(f"The copy {path} is damaged: {result}. The store may be: look at `tropa doctor`.")
