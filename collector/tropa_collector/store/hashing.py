"""What stands for a text in an index."""

from __future__ import annotations

#: hashlib's own BLAKE2b. hashlib itself would load OpenSSL beside it: three megabytes that the writer process has no use for.
from _blake2 import blake2b

__all__ = ("blake2b", "hash64")


def hash64(text: str) -> int:
    """A signed 64-bit BLAKE2b of a text: what SQLite's INTEGER holds."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)
