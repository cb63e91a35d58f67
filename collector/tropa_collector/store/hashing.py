"""What stands for a text in an index."""

from __future__ import annotations

from hashlib import blake2b


def hash64(text: str) -> int:
    """A signed 64-bit BLAKE2b of a text: what SQLite's INTEGER holds."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)
