"""A disk that gives back other bytes than it was given."""

from __future__ import annotations

import random
from pathlib import Path

PAGE = 4_096


def corrupt(file: Path, dice: random.Random, *, pages: int, header: bool = False) -> None:
    """Random bytes over some pages of a file, or over its beginning."""
    size = file.stat().st_size
    with file.open("r+b") as handle:
        for _ in range(pages):
            handle.seek(0 if header else PAGE * dice.randrange(size // PAGE) + 16)
            handle.write(dice.randbytes(200))
