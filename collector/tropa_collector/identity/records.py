"""What the planner is handed and what it hands back: the contract with the store.

A batch takes three steps in one transaction:

1. The store looks up the identifiers of the batch by ``Call.lookups()`` (one query) and the edges between identifiers of one
   event (one query or a cache), and calls ``triage``. Most events end there.
2. For ``Triage.contacts`` it loads a :class:`Snapshot` and calls ``resolve``. With *touched* for those contacts and
   *whole* for them and the contacts at the other end of every edge of their members, it must hold:

   - ``whole``: the ids of those contacts;
   - ``identifiers``: all their members, and every identifier at the other end of an edge of a member;
   - ``edges``: every edge with an end among their members, revoked ones included;
   - ``contacts`` and ``cores``: the rows behind all those identifiers (a core without a row has never merged);
   - ``cannot_link``: every pair with an end among their members.
3. It writes the :class:`Plan`. Rows are whole: an identifier, contact, core or edge replaces what is stored under its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from tropa_collector.identity.ledger import LogRow

Key = tuple[str, str]  # (kind, normalised value)
Pair = tuple[int, int]  # two identifier ids, smaller first

NORMAL, NO_MERGE, QUARANTINED, ERASED = 0, 1, 2, 3  # Identifier.state
LIVE, MERGED, DEVICE_CONTACT = 0, 1, 2  # Contact.status
SAME_EVENT, ALIAS, MANUAL, INFERRED, IMPORT = 1, 2, 3, 4, 5  # Edge.rule
IMPORT_SOURCE = "import"  # Call.source of imported rows: no write key can have this name


class Ident(NamedTuple):
    """One identifier of one event, normalised. ``rank`` orders them: a proven one first, then by priority."""

    key: Key
    trust: int
    rank: int
    no_merge: bool


class Call(NamedTuple):
    """One event as the planner sees it.

    ``identifiers`` are sorted as :func:`~tropa_collector.identity.identifiers.extract` returns them; the first anchors the
    event. ``ts`` is the order time, ``trust`` is that of the key,
    which is what vouches for all that the event says beside its identifiers. ``previous`` is the previousId of an alias call,
    read as a user id and as an anonymous id: the store knows which it was.
    """

    event_id: str
    ts: int
    source: str
    trust: int
    identifiers: tuple[Ident, ...]
    traits: Mapping[str, Any] | None = None
    previous: tuple[Key, Key] | None = None

    def lookups(self) -> Iterator[Key]:
        """What to look up for this event."""
        for ident in self.identifiers:
            yield ident.key
        if self.previous is not None:
            yield from self.previous


class Identifier(NamedTuple):
    """A stored identifier. ``core`` names the proven group it is in (the id of a member of that group), 0: claimed only."""

    id: int
    kind: str
    value: str
    contact: int
    core: int
    trust: int
    state: int
    first_seen: int
    alias_of: int = 0
    shared_from: int | None = None
    proven_shared_from: int | None = None  # by proven claims alone: hides server-set traits, which claims must not
    shared_contact: int = 0  # kept once made, so that a device has one contact for its shared times
    known_from: int | None = None  # of devices, where history is bounded: what came before is not its person's
    proven_known_from: int | None = None


class Contact(NamedTuple):
    id: int
    status: int
    merged_into: int
    first_seen: int
    merges: int = 0
    manual: bool = False  # an operator joined it past the limits
    rev: int = 1


class Core(NamedTuple):
    """Counters of a proven group: all its merges, and the times of the latest that joined two known groups."""

    id: int
    merges: int = 0
    recent: tuple[int, ...] = ()


class Edge(NamedTuple):
    """Evidence that two identifiers came together; ``a < b``. The ``proven_`` columns tell of proven events alone.

    Without times of its own a proven edge would borrow them from a claim, and a claim could move a device.
    """

    a: int
    b: int
    rule: int
    trust: int
    source: str
    first_ts: int
    first_event: str
    last_ts: int
    last_event: str
    proven_ts: int | None = None
    proven_event: str = ""
    proven_last_ts: int | None = None
    proven_last_event: str = ""
    via: int = 0
    revoked: int = 0  # the log row that revoked it


class TraitWrite(NamedTuple):
    """A trait as one event said it; ``None`` unsets. To be folded into the stored register, ``traits.fold``."""

    identifier: int
    key: str
    value: Any
    trust: int
    ts: int
    event_id: str
    source: str


class NextIds(NamedTuple):
    """The next free ids: the writer assigns them."""

    identifier: int = 1
    contact: int = 1
    log: int = 1


class Arrival(NamedTuple):
    """A usual beginning (``arrivals.py``): the lone device that it finds, and its contact, if any."""

    device: Identifier | None = None
    contact: Contact | None = None


class Triage(NamedTuple):
    """A batch after the first look. ``contacts`` is what to load for ``slow``, the indexes of calls that need planning."""

    calls: Sequence[Call]
    anchors: list[int]
    identifiers: list[Identifier]
    contacts_made: list[Contact]
    slow: list[int]
    contacts: set[int]
    sequence: NextIds
    arrivals: Mapping[int, Arrival] = {}  # of ``slow`` those that need nothing loaded


class Snapshot(NamedTuple):
    whole: Set[int]
    identifiers: Sequence[Identifier]
    edges: Sequence[Edge]
    contacts: Sequence[Contact]
    cores: Sequence[Core] = ()
    cannot_link: Sequence[Pair] = ()


class Plan(NamedTuple):
    """What to write, in this order. ``anchors[i]`` is the identifier that event ``i`` hangs on, 0 for none."""

    anchors: list[int]
    contacts: list[Contact]
    identifiers: list[Identifier]
    redirects: list[tuple[int, int]]  # contacts merged_into the first now lead to the second
    cores: list[Core]
    edges: list[Edge]
    cannot_link: list[Pair]
    can_link: list[Pair]  # pairs to remove from cannot_link
    traits: list[TraitWrite]
    log: list[LogRow]
    sequence: NextIds
    lone: Mapping[int, Contact] = {}  # contacts made of one identifier, by its id, which nothing else in the batch touched
