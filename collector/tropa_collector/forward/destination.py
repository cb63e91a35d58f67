"""The seam between the runner and a place where events go. ``memory.py`` holds the shipped twin.

DeliveryError           not now: the same batch comes again, later and later
└── Refused             not these entries, ever: the runner finds out which by halving, and sets those aside
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Final, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from tropa_collector.errors import TropaError
from tropa_collector.store.protocol import IdentifierRow, Logged, Stream

STREAMS: Final[tuple[Stream, ...]] = ("events", "changes")
TrustName = Literal["claimed", "signed", "server"]
CallName = Literal["identify", "track", "page", "screen", "group", "alias"]
Scalar = str | int | float | bool | None
Dotted = Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+)*$", max_length=200)]


class DeliveryError(TropaError):
    """A batch was not taken. ``retry_after_seconds`` is what the other end asked for.

    ``detail`` is what it said: it may repeat an event, so it is shown to the operator and kept in no log and no file.
    """

    def __init__(self, message: str, *, detail: str = "", retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


class Refused(DeliveryError):
    """The other end will never take this batch as it is."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one stream in the order of commit. ``id`` is the same whenever the same entries come again."""

    id: str
    stream: Stream
    first: int  # positions that it covers, those of entries left out included
    last: int
    entries: Sequence[Logged]
    identifiers: Sequence[IdentifierRow] = ()  # of its entries, as they are now; only where the destination asks for them

    def part(self, start: int, stop: int) -> Batch:
        """Some of the entries, as a batch that has an id of its own."""
        entries = self.entries[start:stop]
        whole = self.id.rpartition(":")[0]
        name = f"{whole}:{entries[0].position}-{entries[-1].position}" if entries else f"{whole}:0"
        return replace(self, id=name, entries=entries)

    def halves(self) -> tuple[Batch, Batch]:
        middle = len(self.entries) // 2
        return self.part(0, middle), self.part(middle, len(self.entries))


class Filter(BaseModel):
    """Which events a destination gets. What is empty asks for nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    types: tuple[CallName, ...] = ()
    events: tuple[str, ...] = ()  # names of track events, pages and screens
    not_events: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    trust: TrustName = "claimed"  # at least
    bots: bool = True


class PropertyMapping(BaseModel):
    """What is changed in an event on its way. Names are paths: ``context.traits.email``. In this order:"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hash: tuple[Dotted, ...] = ()  # SHA-256 of the trimmed, lower-case text, in hexadecimal
    rename: Mapping[Dotted, Dotted] = {}
    drop: tuple[Dotted, ...] = ()
    constant: Mapping[Dotted, Scalar] = {}


class Options(BaseModel):
    """What every destination's table in tropa.toml may hold. A destination adds its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    start: Literal["now", "beginning"] = "now"  # of the log, when the destination is new
    changes: bool = True  # contact_linked, contact_merged, contact_split, contact_erased …
    only: Filter = Filter()
    map: PropertyMapping = PropertyMapping()
    purposes: tuple[str, ...] = ()  # what it is for: an event goes there only when its consent covers all of them
    require_consent: bool = False  # with purposes: an event that says nothing of consent does not go
    batch_events: int = Field(default=500, ge=1, le=10_000)
    batch_bytes: int = Field(default=4_000_000, ge=1_000, le=64_000_000)
    linger_seconds: float = Field(default=0.5, ge=0, le=3_600)  # of a batch that is not full
    longest_retry_seconds: float = Field(default=60.0, gt=0)
    dead_letter_bytes: int = Field(default=1_000_000, ge=1_000)  # a dead letter is a reference of about 200


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a destination knows of where it runs."""

    name: str
    backfill: str = ""  # the name of a backfill; empty: this is the live one


class Destination(Protocol):
    """Where events go. ``deliver`` is all that one needs to write; it is never called twice at once."""

    #: The class of its table in tropa.toml.
    options: ClassVar[type[Options]] = Options
    #: After a crash the same batches come again with the same ids. One that knows itself what it holds needs no such care.
    repeats_batches: ClassVar[bool] = True
    #: Whether batches bring the identifiers of their entries.
    wants_identifiers: ClassVar[bool] = False

    @classmethod
    def open(cls, options: Any, surroundings: Surroundings) -> Self:
        """Made from its options; what may fail for a while is left to ``deliver``."""
        ...

    async def deliver(self, batch: Batch) -> bool:
        """Take a batch. True when it, and all before it of its stream, is safe there; False when it may still be lost.

        Raises:
            Refused: never as it is.
            DeliveryError: not now. Any other exception is taken for this.
        """
        ...

    async def resume(self, stream: Stream, position: int, head: int) -> int:
        """Where to go on: ``position``, or behind it when the destination itself knows that it holds more. ``head`` is the log's
        end: what it holds of entries past that is of another log, of the same numbers."""
        return position

    async def settle(self, *, stop: bool) -> bool:
        """Make safe what was taken and is due, at a stop all of it; whether everything taken is safe now."""
        return True

    async def close(self) -> None:
        """Let go of connections and files."""
        return
