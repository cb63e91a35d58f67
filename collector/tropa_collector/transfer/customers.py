"""Files of customers, CSV and JSON Lines, as other programs write them: encoding and delimiter are found out, not asked for."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

from tropa_collector.errors import TropaError

_BLOCK = 1 << 20
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods; .xls
_SAMPLE_LINES = 50
_DELIMITERS = ";,\t|"
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_EVERY = 500  # rows between two words about progress


class ImportFileError(TropaError):
    """The file cannot be imported; the message says what is wrong with it."""


class Survey(NamedTuple):
    """What one pass over a file's bytes tells of it. ``columns`` of JSON Lines are those of its first lines."""

    digest: str
    size: int
    encoding: str
    form: Literal["csv", "jsonl"]
    delimiter: str
    columns: tuple[str, ...]


class Row(NamedTuple):
    """One customer, counted from 1. A row with a ``fault`` could not be read; ``raw`` is what it was."""

    number: int
    cells: dict[str, Any]
    raw: Sequence[Any] = ()
    fault: str = ""


def survey(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> Survey:
    """Look at the whole file once.

    Raises:
        ImportFileError: it is empty or a workbook, its first line names no columns, or a column twice.
    """
    with path.open("rb") as content:
        if content.read(4) in _WORKBOOKS:
            raise ImportFileError(f"{path} is a workbook of a spreadsheet program. Save it there as CSV (UTF-8), and import that.")
    digest, found = _digest_and_encoding(path)
    chosen = encoding or found
    with path.open(encoding=chosen, errors="replace", newline="") as file:
        lines = [line for _, line in zip(range(_SAMPLE_LINES), file, strict=False)]
    if not "".join(lines).strip():
        raise ImportFileError(f"{path} is empty.")
    form: Literal["csv", "jsonl"] = "jsonl" if lines[0].lstrip().startswith("{") else "csv"
    mark = delimiter or _delimiter(lines)
    columns = _csv_columns(lines, mark) if form == "csv" else _json_columns(lines)
    return Survey(digest, path.stat().st_size, chosen, form, mark, columns)


def _digest_and_encoding(path: Path) -> tuple[str, str]:
    """UTF-8 if all of it can be, else Windows-1251, in which the old programs of Russian shops write."""
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    utf8, start = True, b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            start = start or block[:4]
            digest.update(block)
            if utf8:
                utf8 = _decodes(decoder, block, final=False)
    utf8 = utf8 and _decodes(decoder, b"", final=True)
    marked = next((name for bom, name in _BOMS if start.startswith(bom)), None)
    return digest.hexdigest(), marked or ("utf-8" if utf8 else "cp1251")


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(lines: Sequence[str]) -> str:
    """The one under which most rows have as many fields as the header, and the most of them."""

    def fits(mark: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines[:-1] or lines, delimiter=mark)]
        return (sum(width == widths[0] for width in widths), widths[0]) if widths[0] > 1 else (0, 0)

    return max(_DELIMITERS, key=fits)


def _csv_columns(lines: Sequence[str], delimiter: str) -> tuple[str, ...]:
    columns = tuple(name.strip() for name in next(csv.reader(lines, delimiter=delimiter)))
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise ImportFileError(f"The first line names a column twice: {', '.join(twice)}.")
    return columns


def _json_columns(lines: Sequence[str]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for line in lines:
        cells = _json_cells(line)
        names.update(dict.fromkeys(cells or ()))
    return tuple(names)


def rows(path: Path, found: Survey, at_byte: Callable[[int], None] = lambda _: None) -> Iterator[Row]:
    """Every row. ``at_byte`` hears now and then how far the file is read."""
    with path.open("rb") as raw:
        text = io.TextIOWrapper(raw, encoding=found.encoding, errors="replace", newline="")
        read = _csv_rows(text, found) if found.form == "csv" else _json_rows(text)
        for row in read:
            if row.number % _EVERY == 0:
                at_byte(raw.tell())
            yield row
        at_byte(found.size)
        text.detach()


def _csv_rows(text: io.TextIOWrapper, found: Survey) -> Iterator[Row]:
    reader, columns, number = csv.reader(text, delimiter=found.delimiter), found.columns, 0
    next(reader)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield Row(number, {}, (), f"The line cannot be read: {error}.")
            continue
        if not any(fields):
            continue  # an empty line, as many programs leave at the end
        number += 1
        if len(fields) > len(columns):
            yield Row(number, {}, fields, f"The row has {len(fields)} fields, the first line {len(columns)}.")
        else:
            yield Row(number, dict(zip(columns, fields, strict=False)), fields)


def _json_rows(text: io.TextIOWrapper) -> Iterator[Row]:
    number = 0
    for line in text:
        if not line.strip():
            continue
        number += 1
        cells = _json_cells(line)
        yield Row(number, cells, (line.strip(),)) if cells is not None else Row(number, {}, (line.strip(),), "Not a JSON object.")


def _json_cells(line: str) -> dict[str, Any] | None:
    try:
        cells = orjson.loads(line.removeprefix("\ufeff"))
    except orjson.JSONDecodeError:
        return None
    return cells if isinstance(cells, dict) else None
