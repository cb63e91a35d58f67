"""Entries that a destination refused for good. A letter is a reference to the log and the reason, no copy: an erased person's
event is gone from here too. The oldest letters give way when the budget is spent, and are counted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import orjson

from tropa_collector.forward.cursor import write_synced
from tropa_collector.store.protocol import Stream

MAX_REASON_CHARS = 200


class DeadLetter(NamedTuple):
    stream: Stream
    position: int
    message_id: str
    reason: str
    at: str  # when it was refused


class DeadLetters:
    """The letters of one destination, in a file that is replaced as a whole; its budget is small."""

    def __init__(self, file: Path, max_bytes: int) -> None:
        self.file = file
        self._max_bytes = max_bytes
        self.letters = read_dead_letters(file)
        self.dropped = 0  # by this process

    def add(self, letters: Iterable[DeadLetter]) -> None:
        """Keep letters, synced; one for an entry that has one replaces it."""
        held = {(letter.stream, letter.position): letter for letter in self.letters}
        for letter in letters:
            held.pop((letter.stream, letter.position), None)
            held[letter.stream, letter.position] = letter
        self._write(list(held.values()))

    def remove(self, letters: Iterable[DeadLetter]) -> None:
        gone = set(letters)
        self._write([letter for letter in self.letters if letter not in gone])

    def _write(self, letters: list[DeadLetter]) -> None:
        lines = [orjson.dumps(letter._asdict()) + b"\n" for letter in letters]
        size, first = sum(map(len, lines)), 0
        while size > self._max_bytes:
            size -= len(lines[first])
            first += 1
        self.dropped += first
        write_synced(self.file, b"".join(lines[first:]))
        self.letters = letters[first:]


def read_dead_letters(file: Path) -> list[DeadLetter]:
    """Those in a file, the oldest first."""
    try:
        return [DeadLetter(**orjson.loads(line)) for line in file.read_bytes().splitlines()]
    except FileNotFoundError:
        return []
