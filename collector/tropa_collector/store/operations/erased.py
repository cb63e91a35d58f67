"""Identifiers that were erased stay refused: of each the store keeps a keyed hash, and looks new events up under it.

A later event that carries one is stored without it: it is no identifier, and it is cut out of body and traits. What the public
listener answers does not change, since it depends on the request alone; the figures of the admin listener tell.
The key is a file beside the store, ``erasure.key``, mode 0600. A backup that is restored without it refuses nothing.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Final

import orjson

from tropa_collector.identity.records import Key
from tropa_collector.store.hashing import blake2b
from tropa_collector.store.operations.mentions import CUT, Mentions

MARK: Final = "\x1a"  # a control character: no value that an event brings can begin with it
_CACHED: Final = 8_192
_SHELL: Final = ("type", "messageId")


def hashed(key: bytes, identifier: Key) -> str:
    """What stands for an erased identifier."""
    text = f"{identifier[0]}\0{identifier[1]}".encode("utf-8", "surrogatepass")
    return MARK + blake2b(text, key=key, digest_size=16).hexdigest()


def shell(body: str) -> str:
    """What is left of an erased event: that there was one."""
    event = orjson.loads(body)
    return orjson.dumps({**{name: event.get(name) for name in _SHELL}, "erased": True}).decode()


class ErasedKeys:
    """The erased identifiers of one store, in memory: their hashes and the key that makes them."""

    def __init__(self, hashes: Set[str] = frozenset(), key: bytes = b"") -> None:
        self.replace(hashes, key)

    def replace(self, hashes: Set[str], key: bytes) -> None:
        """What is known of them now."""
        self._hashes = hashes
        self._key = key
        self._known: dict[Key, bool] = {}

    @staticmethod
    def text_of(body: Any) -> str:
        """The text of a record's body."""
        return str(body)

    def is_erased(self, identifier: Key) -> bool:
        known = self._known.get(identifier)
        if known is None:
            if len(self._known) >= _CACHED:
                self._known.clear()
            known = self._known[identifier] = hashed(self._key, identifier) in self._hashes
        return known

    def refuse(self, records: list[Any]) -> int:
        """Take erased identifiers out of a batch, in place, and say of how many events."""
        if not self._hashes:
            return 0
        changed, unknown = 0, self._known.get
        for place, record in enumerate(records):
            identity = record[9]
            if identity is None or (identity[2] is None and not any([unknown(ident[0], True) for ident in identity[0]])):  # noqa: C419 - a generator costs twice as much
                continue  # nobody, or identifiers that were all seen lately and are none of the erased
            gone = [key for key in (*(ident[0] for ident in identity[0]), *(identity[2] or ())) if self.is_erased(key)]
            if gone:
                records[place] = _without(record, self.text_of(record[8]), gone)
                changed += 1
        return changed


def _without(record: Any, body: str, gone: list[Key]) -> tuple[Any, ...]:
    idents, traits, previous = record[9]
    if any(ident[0][0] == "import_row" for ident in idents):
        return (*record[:8], shell(body), None, *record[10:])  # a list uploaded again must not bring the person back
    mentions = Mentions(gone)
    kept = [ident for ident in idents if ident[0] not in gone]
    said = {name: value for name, value in mentions.cut(dict(traits)).items() if value != CUT} if traits else traits
    identity = (kept, said, None if previous and any(key in gone for key in previous) else previous) if kept else None
    return (*record[:8], orjson.dumps(mentions.cut(orjson.loads(body))).decode(), identity, *record[10:])
