"""An online copy of the store: one consistent snapshot, made by a reader, never in the writer's way."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tropa_collector.errors import StoreError
from tropa_collector.store.sqlite.file import FILE_NAME


def backup(directory: Path, target: Path) -> int:
    """Copy the store of ``directory`` to the file ``target`` and check the copy. Its size in bytes.

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
        reader.execute("VACUUM INTO ?", (str(partial),))
    except sqlite3.Error as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"The copy failed: {error}.") from None
    finally:
        reader.close()
    _check(partial)
    partial.rename(target)
    return target.stat().st_size


def _check(path: Path) -> None:
    copy = sqlite3.connect(path)
    try:
        (result,) = copy.execute("PRAGMA integrity_check").fetchone()
    finally:
        copy.close()
    if result != "ok":
        raise StoreError(f"The copy {path} is damaged: {result}. The store may be: look at `tropa doctor`.")
