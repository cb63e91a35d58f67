"""The loaded part of the identity graph while a batch is planned: rows by id, groups by member, and what has changed.

Two partitions lie over the same identifiers. *Contacts* are what the world sees. *Cores* are what proven events alone
would have made of them: the layer that claims cannot reach. Most functions here take the layer as ``proven``.
"""

from __future__ import annotations

from collections.abc import Iterable

from tropa_collector.identity.ledger import Action, LogRow, dedup_key
from tropa_collector.identity.policy import CLAIMED, DEVICE, NO_MERGE_RANK, PASSIVE, Kind, Policy
from tropa_collector.identity.records import (
    ERASED,
    LIVE,
    MERGED,
    NO_MERGE,
    NORMAL,
    Call,
    Contact,
    Core,
    Edge,
    Identifier,
    Key,
    NextIds,
    Pair,
    Snapshot,
    TraitWrite,
)


class Graph:
    """Working copy of a snapshot. Rows are replaced, never edited; ``changed_*`` name the ones to write."""

    def __init__(self, snapshot: Snapshot, policy: Policy, sequence: NextIds) -> None:
        self.policy = policy
        self.kinds = policy.kinds
        self.next_identifier, self.next_contact, self.next_log = sequence
        self.born = self.next_contact  # contacts from here on were made by the event at hand
        self.identifiers: dict[int, Identifier] = {}
        self.by_key: dict[Key, int] = {}
        self.members: dict[int, set[int]] = {}
        self.core_members: dict[int, set[int]] = {}
        self.contacts = {row.id: row for row in snapshot.contacts}
        self.cores = {row.id: row for row in snapshot.cores}
        self.edges: dict[Pair, Edge] = {}
        self.near: dict[int, set[int]] = {}
        self.apart: dict[int, set[int]] = {}
        self.stored_contacts = set(self.contacts)
        self.part_loaded = self.stored_contacts.difference(snapshot.whole)
        self.changed_identifiers: set[int] = set()
        self.changed_contacts: set[int] = set()
        self.changed_cores: set[int] = set()
        self.changed_edges: set[Pair] = set()
        self.redirects: list[tuple[int, int]] = []
        self.parted: list[Pair] = []
        self.reunited: list[Pair] = []
        self.traits: list[TraitWrite] = []
        self.log: list[LogRow] = []
        self.logged: set[str] = set()
        self.regrouped: set[int] = set()  # cores whose contacts must follow them
        self.shrunk: set[tuple[int, bool]] = set()  # groups (and their layer) that may have room for a device again
        self.unsettled: set[int] = set()  # devices and push tokens whose claims may have changed
        for row in snapshot.identifiers:
            self._index(row)
        for edge in snapshot.edges:
            self._connect(edge)
        for a, b in snapshot.cannot_link:
            self._part(a, b)

    def _index(self, row: Identifier) -> None:
        self.identifiers[row.id] = row
        self.by_key[row.kind, row.value] = row.id
        if row.contact:
            self.members.setdefault(row.contact, set()).add(row.id)
        if row.core:
            self.core_members.setdefault(row.core, set()).add(row.id)

    def _connect(self, edge: Edge) -> None:
        self.edges[edge.a, edge.b] = edge
        self.near.setdefault(edge.a, set()).add(edge.b)
        self.near.setdefault(edge.b, set()).add(edge.a)

    def _part(self, a: int, b: int) -> None:
        self.apart.setdefault(a, set()).add(b)
        self.apart.setdefault(b, set()).add(a)

    # -- reading

    def kind(self, identifier: int) -> Kind:
        """The identifier's kind; a value that joins nobody is as weak as a passive one, whatever its kind."""
        row = self.identifiers[identifier]
        kind = self.kinds[row.kind]
        return kind._replace(strength=PASSIVE) if row.state == NO_MERGE else kind

    def group(self, identifier: int, *, proven: bool) -> int:
        row = self.identifiers[identifier]
        return row.core if proven else row.contact

    def body(self, group: int, *, proven: bool) -> set[int]:
        return (self.core_members if proven else self.members).get(group, set())

    def whole(self, group: int, *, proven: bool) -> bool:
        """Are all members of the group loaded? Of the others nothing has changed, so nothing is to be decided."""
        contact = self.identifiers[next(iter(self.core_members[group]))].contact if proven else group
        return contact not in self.part_loaded

    def edge(self, a: int, b: int) -> Edge | None:
        return self.edges.get((a, b) if a < b else (b, a))

    def linked(self, a: int, b: int, *, proven: bool) -> bool:
        """Does unrevoked evidence of this layer hold the pair together?"""
        edge = self.edges[(a, b) if a < b else (b, a)]
        return not edge.revoked and (not proven or edge.proven_ts is not None)

    def known(self, identifiers: Iterable[int]) -> bool:
        return any(self.kind(i).known for i in identifiers)

    def strong_core(self, contact: int) -> int:
        """The proven group with a unique or point identifier in this contact, 0 if none: what makes a contact proven."""
        for i in self.members.get(contact, ()):
            row = self.identifiers[i]
            if row.core and self.kind(i).known:
                return row.core
        return 0

    def rank(self, identifier: int) -> tuple[bool, bool, bool, int, str, str]:
        """Strongest first: known before device, proven before claimed, then by priority."""
        row = self.identifiers[identifier]
        kind = self.kind(identifier)
        return (not kind.known, not row.core, row.state != NORMAL, kind.priority, row.kind, row.value)

    def rank_alone(self, identifier: int) -> tuple[int, str, str]:
        """The order of identifiers within an event."""
        row = self.identifiers[identifier]
        priority = NO_MERGE_RANK if row.state == NO_MERGE else self.kinds[row.kind].priority
        return (priority, row.kind, row.value)

    def best(self, identifiers: Iterable[int]) -> int:
        return min(identifiers, key=self.rank)

    def count(self, identifiers: Iterable[int], kind: str) -> int:
        """Values of one kind; aliases count once."""
        rows = (self.identifiers[i] for i in identifiers)
        return len({row.alias_of or row.id for row in rows if row.kind == kind})

    # -- writing

    def add(self, key: Key, call: Call, *, state: int) -> int:
        """A new identifier, in no group yet."""
        row = Identifier(self.next_identifier, key[0], key[1], 0, 0, CLAIMED, state, call.ts)
        self.next_identifier += 1
        self._index(row)
        self.changed_identifiers.add(row.id)
        return row.id

    def replace(self, row: Identifier) -> None:
        self.identifiers[row.id] = row
        self.changed_identifiers.add(row.id)

    def vouch(self, identifier: int, trust: int, ts: int) -> None:
        row = self.identifiers[identifier]
        if trust > row.trust or ts < row.first_seen:
            self.replace(row._replace(trust=max(trust, row.trust), first_seen=min(ts, row.first_seen)))
            if self.policy.history is not None:
                self.unsettle((identifier,))
            contact = self.contacts.get(row.contact)
            if contact is not None and ts < contact.first_seen:
                self.replace_contact(contact._replace(first_seen=ts))

    def move(self, identifier: int, group: int, *, proven: bool) -> None:
        """Put an identifier in a group of one layer, out of the one it was in."""
        row = self.identifiers[identifier]
        groups = self.core_members if proven else self.members
        old = row.core if proven else row.contact
        if old:
            groups[old].discard(identifier)
            self.shrunk.add((old, proven))
        if group:
            groups.setdefault(group, set()).add(identifier)
        self.replace(row._replace(core=group) if proven else row._replace(contact=group))
        if proven:
            self.regrouped.add(group)
            if old == identifier != group:
                self.rename_core(old)
        elif group and row.first_seen < self.contacts[group].first_seen:
            self.replace_contact(self.contacts[group]._replace(first_seen=row.first_seen))

    def new_group(self, identifiers: Iterable[int], *, proven: bool, contact: int = 0) -> int:
        """A group of its own for these identifiers: a core is named after its smallest member, a contact gets a new id."""
        chosen = sorted(identifiers)
        if proven:
            group = self._core_name(chosen)
        else:
            group = contact or self.new_contact(min(self.identifiers[i].first_seen for i in chosen))
        for i in sorted(chosen, key=lambda i: self.identifiers[i].core == i):  # a namesake last: see rename_core
            self.move(i, group, proven=proven)
        return group

    def _core_name(self, chosen: list[int]) -> int:
        for i in chosen:
            if self.core_members.get(i, set()) <= set(chosen):
                return i
        self.rename_core(chosen[0], leaving=chosen[0])
        return chosen[0]

    def rename_core(self, core: int, leaving: int = 0) -> None:
        """A core is named after a member: when that one leaves, the others take another's name and the counters."""
        rest = self.core_members[core] - {leaving}
        if not rest:
            return
        name = min(rest)
        self.core_members[core] -= rest
        self.core_members[name] = rest
        for i in rest:
            self.replace(self.identifiers[i]._replace(core=name))
        if core in self.regrouped:
            self.regrouped.add(name)
        if core in self.cores:
            self.replace_core(self.cores[core]._replace(id=name))
            self.replace_core(Core(core))

    def new_contact(self, first_seen: int, status: int = LIVE) -> int:
        row = Contact(self.next_contact, status, 0, first_seen)
        self.next_contact += 1
        self.contacts[row.id] = row
        self.changed_contacts.add(row.id)
        return row.id

    def replace_contact(self, row: Contact) -> None:
        bump = row.id not in self.changed_contacts and row.id in self.stored_contacts
        self.contacts[row.id] = row._replace(rev=row.rev + 1) if bump else row
        self.changed_contacts.add(row.id)

    def replace_core(self, row: Core) -> None:
        self.cores[row.id] = row
        self.changed_cores.add(row.id)

    def core(self, core: int) -> Core:
        return self.cores.get(core) or Core(core)

    def replace_edge(self, edge: Edge) -> None:
        self._connect(edge)
        self.changed_edges.add((edge.a, edge.b))
        self.unsettle((edge.a, edge.b))

    def unsettle(self, identifiers: Iterable[int]) -> None:
        for i in identifiers:
            kind, row = self.kind(i), self.identifiers[i]
            whole = row.contact not in self.part_loaded
            if whole and row.state != ERASED and (kind.strength == DEVICE or kind.move):
                self.unsettled.add(i)

    def unsettle_around(self, identifiers: Iterable[int]) -> None:
        """Claims are counted by group: when groups change, so may the devices of their members and of their neighbours."""
        for i in identifiers:
            self.unsettle((i, *self.near.get(i, ())))

    def forget_contact(self, contact: int) -> None:
        del self.contacts[contact]
        self.changed_contacts.discard(contact)

    def retire(self, contact: int, into: int) -> None:
        row = self.contacts[contact]
        self.replace_contact(row._replace(status=MERGED, merged_into=into))
        self.redirects.append((contact, into))

    def part(self, a: int, b: int) -> None:
        self._part(a, b)
        self.parted.append((min(a, b), max(a, b)))

    def reunite(self, a: int, b: int) -> None:
        self.apart.get(a, set()).discard(b)
        self.apart.get(b, set()).discard(a)
        self.reunited.append((min(a, b), max(a, b)))

    def record(  # noqa: PLR0913 - the columns of a log row
        self, action: Action, contact: int, *, a: int = 0, b: int = 0, reason: str = "", other: int = 0,
        event_id: str = "", actor: str = "system", detail: dict[str, object] | None = None,
    ) -> int:  # fmt: skip
        """Append to the log and return the row's id, 0 when the batch has said the same before."""
        key = dedup_key(action, a, b, reason)
        if key is not None:
            if key in self.logged:
                return 0
            self.logged.add(key)
        row = LogRow(self.next_log, action, contact, other, a, b, reason, event_id, actor, detail or {}, key)
        self.next_log += 1
        self.log.append(row)
        return row.id
