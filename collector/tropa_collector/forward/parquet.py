"""``type = "parquet"``: Parquet files, with the columns of ``rows.py``. Needs the extra ``parquet`` (pyarrow)."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import model_validator

from tropa_collector.forward.destination import Options
from tropa_collector.forward.rotation import FileOptions, RotatingFiles, Writing, synced
from tropa_collector.forward.rows import change_row, event_row
from tropa_collector.store.protocol import Logged, Stream

_TIMES: Final = frozenset(("received_at", "timestamp", "original_at", "at"))
_NUMBERS: Final = frozenset(("position", "identifier", "contact", "other_contact"))
_WORDS: Final = frozenset(("type", "name", "source", "trust", "country"))  # few different ones
_COLUMNS: Final[dict[Stream, tuple[str, ...]]] = {
    "events": (
        "position", "received_at", "timestamp", "original_at", "type", "name", "source", "trust", "message_id", "anonymous_id",
        "user_id", "identifier", "country", "bot", "body",
    ),
    "changes": ("position", "at", "type", "contact", "other_contact", "body"),
}  # fmt: skip
ROW_GROUP_ROWS: Final = 20_000  # held in memory until they are written


class ParquetOptions(FileOptions):
    """A table of ``type = "parquet"``."""

    compression: Literal["zstd", "snappy", "gzip", "none"] = "zstd"

    @model_validator(mode="after")
    def _can_be_written(self) -> Self:
        if importlib.util.find_spec("pyarrow") is None:
            raise ValueError("pyarrow is missing. Run: pip install 'tropa[parquet]'")
        return self


class Parquet(RotatingFiles):
    """Parquet files."""

    options: ClassVar[type[Options]] = ParquetOptions
    _options: ParquetOptions

    @property
    def suffix(self) -> str:
        return ".parquet"

    def begin(self, stream: Stream, partial: Path) -> Writing:
        return _Rows(stream, partial, self._options.compression)


class _Rows:
    """A file of row groups."""

    def __init__(self, stream: Stream, path: Path, compression: str) -> None:
        import pyarrow as pa  # noqa: PLC0415 - heavy: only where a file is written
        from pyarrow import parquet  # noqa: PLC0415

        self._row = event_row if stream == "events" else change_row
        self._schema = pa.schema([(name, _type(pa, name)) for name in _COLUMNS[stream]])
        self._table_of = pa.Table.from_pydict  # by columns: an eighth of the time that rows take
        self._raw = path.open("wb")
        self._writer = parquet.ParquetWriter(self._raw, self._schema, compression=compression)
        self._waiting: list[dict[str, Any]] = []

    def write(self, entries: Sequence[Logged]) -> int:
        rows = [self._row(entry) for entry in entries]
        self._waiting += rows
        if len(self._waiting) >= ROW_GROUP_ROWS:
            self._flush()
        return sum(len(row["body"]) for row in rows)

    def _flush(self) -> None:
        if self._waiting:
            columns = {name: [row[name] for row in self._waiting] for name in self._schema.names}
            self._writer.write_table(self._table_of(columns, schema=self._schema))
            self._waiting = []

    def finish(self) -> None:
        self._flush()
        self._writer.close()
        synced(self._raw)
        self._raw.close()

    def discard(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # whatever it lacks, it is thrown away
            self._writer.close()
        with contextlib.suppress(OSError):
            self._raw.close()


def _type(pa: Any, column: str) -> Any:
    if column in _TIMES:
        return pa.timestamp("us", tz="UTC")
    if column in _NUMBERS:
        return pa.uint64()
    if column in _WORDS:
        return pa.dictionary(pa.int32(), pa.string())
    return pa.bool_() if column == "bot" else pa.string()
