"""What an import did, or would do: what became of each email and phone, likely typos, duplicates, columns left out."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from tropa_collector.identity.records import Key
from tropa_collector.store.hashing import hash64
from tropa_collector.transfer.imports import Customer
from tropa_collector.transfer.typos import suggest_email

EXAMPLES: Final = 5
_LOOKUP: Final = 500
_PARTS: Final = 64  # sorted one by one, so that a million customers need little memory
Stored = Callable[[Sequence[Key]], int]


@dataclass(slots=True)
class Examples:
    """A count, and the first few cases of it: row and text."""

    count: int = 0
    shown: list[tuple[int, str]] = field(default_factory=list)

    def add(self, row: int, text: str) -> None:
        self.count += 1
        if len(self.shown) < EXAMPLES:
            self.shown.append((row, text))


@dataclass(slots=True)
class Values:
    """What became of the values of one kind."""

    as_is: int = 0
    normalised: Examples = field(default_factory=Examples)
    joins_nobody: Examples = field(default_factory=Examples)
    refused: dict[str, Examples] = field(default_factory=dict)  # by reason
    typos: Examples = field(default_factory=Examples)


class Report:
    """Takes in row after row; eight bytes and a row number of each identifier are kept to find duplicates."""

    def __init__(self, stored: Stored | None = None) -> None:
        self.rows = 0
        self.rejected: Counter[str] = Counter()
        self.kinds: dict[str, Values] = {}
        self.in_store = 0
        self._stored = stored
        self._waiting: list[Key] = []
        self._seen = [(array("q"), array("L")) for _ in range(_PARTS)]  # hashes of identifiers, and their rows

    def look(self, customer: Customer) -> None:
        """Count a row that was read."""
        self.rows += 1
        raw = _raw_values(customer)
        for ident in customer.found.identifiers:
            kind, value = ident.key
            values = self.kinds.setdefault(kind, Values())
            sent = raw.get(kind)
            if sent is None or sent == value:
                values.as_is += 1
            else:
                values.normalised.add(customer.row, f"{sent} → {value}")
            if ident.no_merge:
                values.joins_nobody.add(customer.row, value)
            if kind == "email" and (better := suggest_email(value)):
                values.typos.add(customer.row, f"{value}: {better}?")
            self._remember(ident.key, customer.row)
        self._refusals(customer, raw)

    def reject(self, reason: str, customer: Customer | None = None) -> None:
        """Count a row that cannot be imported, and what was refused in it if it could be read."""
        self.rejected[reason] += 1
        if customer is not None:
            self._refusals(customer, _raw_values(customer))

    def _refusals(self, customer: Customer, raw: Mapping[str, str]) -> None:
        for refusal in customer.found.refusals:
            reasons = self.kinds.setdefault(refusal.kind, Values()).refused
            reasons.setdefault(refusal.reason, Examples()).add(customer.row, f"{raw.get(refusal.kind, '')}: {refusal.message}")

    def _remember(self, key: Key, row: int) -> None:
        digest = hash64(f"{key[0]}\0{key[1]}")
        hashes, rows = self._seen[digest % _PARTS]
        hashes.append(digest)
        rows.append(row)
        if self._stored is not None:
            self._waiting.append(key)
            if len(self._waiting) >= _LOOKUP:
                self._ask()

    def _ask(self) -> None:
        if self._stored is not None and self._waiting:
            self.in_store += self._stored(self._waiting)
            self._waiting = []

    def duplicates(self) -> Examples:
        """Identifiers that several rows carry: such rows become one customer, if nothing forbids it."""
        found = Examples()
        for hashes, rows in self._seen:
            for together in _repeated(hashes, rows):
                found.add(together[0], "rows " + ", ".join(map(str, together[:8])))
        return found

    def lines(self, unmapped: Iterable[str] = ()) -> Iterator[str]:
        """The report as a person reads it."""
        self._ask()
        yield f"rows: {self.rows + self.rejected.total()}, of which {self.rejected.total()} cannot be imported"
        for reason, number in self.rejected.most_common():
            yield f"  {number} × {reason}"
        for kind, values in sorted(self.kinds.items()):
            yield from _kind_lines(kind, values)
        twice = self.duplicates()
        yield f"identifiers in several rows of the file: {twice.count}"
        yield from _shown(twice)
        if self._stored is not None:
            yield f"identifiers that the store already has: {self.in_store}"
        left = [name for name in unmapped if name]
        yield f"columns left out: {', '.join(left) if left else 'none'}"


def _repeated(hashes: Sequence[int], rows: Sequence[int]) -> Iterator[list[int]]:
    """The rows of every hash that more than one row has."""
    order = sorted(range(len(hashes)), key=hashes.__getitem__)
    for _, places in groupby(order, key=hashes.__getitem__):
        together = sorted({rows[place] for place in places})
        if len(together) > 1:
            yield together


def _kind_lines(kind: str, values: Values) -> Iterator[str]:
    refused = sum(examples.count for examples in values.refused.values())
    taken = values.as_is + values.normalised.count
    yield f"{kind}: {taken} taken ({values.normalised.count} in another spelling), {refused} refused"
    yield from _shown(values.normalised)
    for reason, examples in sorted(values.refused.items()):
        yield f"  refused, {reason}: {examples.count}"
        yield from _shown(examples)
    for what, examples in (("kept, but joins nobody", values.joins_nobody), ("looks like a typo, taken as it is", values.typos)):
        if examples.count:
            yield f"  {what}: {examples.count}"
            yield from _shown(examples)


def _shown(examples: Examples) -> Iterator[str]:
    for row, text in examples.shown:
        yield f"    row {row}: {text}"


def _raw_values(customer: Customer) -> dict[str, str]:
    """As the file had them: what it says of the kinds that have a place of their own in a call."""
    call = customer.call
    raw = {"user_id": call.get("userId"), "anonymous_id": call.get("anonymousId"), **(call.get("traits") or {})}
    return {kind: str(raw[kind]) for kind in ("user_id", "anonymous_id", "email", "phone") if raw.get(kind) is not None}
