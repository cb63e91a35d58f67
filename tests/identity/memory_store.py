"""A store in memory that loads what records.py says must be loaded and nothing more, so that a planner which needs more fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from tropa_collector.identity.ledger import LogRow
from tropa_collector.identity.operations import OperationError, Operator, forget, split
from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import (
    ERASED,
    MERGED,
    Call,
    Contact,
    Core,
    Edge,
    Identifier,
    Key,
    NextIds,
    Pair,
    Plan,
    Snapshot,
    TraitWrite,
)
from tropa_collector.identity.resolve import resolve, triage, without_erased
from tropa_collector.store.operations.dossier import ERASED_CONTACT


class MemoryStore:
    def __init__(self, policy: Policy, planner: Callable[..., Plan] = resolve) -> None:
        self.policy = policy
        self.planner = planner
        self.identifiers: dict[int, Identifier] = {}
        self.by_key: dict[Key, int] = {}
        self.contacts: dict[int, Contact] = {}
        self.cores: dict[int, Core] = {}
        self.edges: dict[Pair, Edge] = {}
        self.cannot_link: set[Pair] = set()
        self.traits: list[TraitWrite] = []
        self.log: list[LogRow] = []
        self.log_keys: set[str] = set()
        self.events: dict[str, tuple[Call, int]] = {}
        self.sequence = NextIds()

    # -- a batch

    def deliver(self, calls: Sequence[Call], *, dedupe: bool = True) -> Plan:
        """Store a batch as the writer does: duplicates dropped, then triage, load, resolve, write."""
        fresh: dict[str, Call] = {}
        erased = {(row.kind, row.value) for row in self.identifiers.values() if row.state == ERASED}
        for call in calls:
            if not dedupe or call.event_id not in self.events:
                fresh.setdefault(call.event_id, without_erased(call, erased))
        batch = list(fresh.values())
        known = {key: self.identifiers[self.by_key[key]] for call in batch for key in call.lookups() if key in self.by_key}
        rows = {call.event_id: [known[k].id for k in call.lookups() if k in known] for call in batch}
        wanted = {(min(a, b), max(a, b)) for ids in rows.values() for a in ids for b in ids if a != b}
        pairs = {pair: self.edges[pair] for pair in wanted if pair in self.edges}
        first = triage(batch, known, pairs, self.policy, self.sequence)
        plan = self.planner(first, self.snapshot(first.contacts), policy=self.policy)
        self.write(plan)
        for call, anchor in zip(batch, plan.anchors, strict=True):
            self.events.setdefault(call.event_id, (call, anchor))
        return plan

    def snapshot(self, contacts: set[int]) -> Snapshot:
        members = {i for i, row in self.identifiers.items() if row.contact in contacts}
        whole = {self.identifiers[i].contact for i in members | self._ends(members)}
        inside = {i for i, row in self.identifiers.items() if row.contact in whole}
        loaded = inside | self._ends(inside)
        return Snapshot(
            whole,
            [self.identifiers[i] for i in sorted(loaded)],
            [edge for pair, edge in self.edges.items() if inside & set(pair)],
            [self.contacts[c] for c in sorted({self.identifiers[i].contact for i in loaded})],
            [self.cores[c] for c in sorted({self.identifiers[i].core for i in loaded}) if c in self.cores],
            [pair for pair in self.cannot_link if inside & set(pair)],
        )

    def everything(self) -> Snapshot:
        """For operators: all there is, contacts that were merged included (an un-merge revives one)."""
        whole = self.snapshot({row.contact for row in self.identifiers.values()})
        return whole._replace(contacts=list(self.contacts.values()))

    def _ends(self, identifiers: set[int]) -> set[int]:
        return {end for pair in self.edges if identifiers & set(pair) for end in pair}

    def write(self, plan: Plan) -> None:
        self.contacts.update({row.id: row for row in plan.contacts})
        for row in plan.identifiers:
            self.identifiers[row.id] = row
            self.by_key[row.kind, row.value] = row.id
        for old, new in plan.redirects:
            for contact in list(self.contacts.values()):
                if contact.merged_into == old:
                    self.contacts[contact.id] = contact._replace(merged_into=new)
        self.cores.update({row.id: row for row in plan.cores})
        self.edges.update({(row.a, row.b): row for row in plan.edges})
        self.cannot_link |= set(plan.cannot_link)
        self.cannot_link -= set(plan.can_link)
        self.traits += plan.traits
        for line in plan.log:
            if line.dedup_key is None or line.dedup_key not in self.log_keys:
                self.log.append(line)
                self.log_keys.update({line.dedup_key} if line.dedup_key else set())
        self.sequence = plan.sequence

    def erase(self, contact: int, by: Operator) -> None:
        """As ``store/operations/erasure.py`` does: a shared device goes to whoever else used it, the rest is nobody's for ever."""
        own = [row for row in self.identifiers.values() if row.contact == contact]
        gone = [row.id for row in own if row.shared_from is None] or [row.id for row in own]
        shared = [row.id for row in own if row.id not in gone]
        if shared:
            with suppress(OperationError):
                self.write(split(self.everything(), contact, shared, by, policy=self.policy, sequence=self.sequence))
        for row in own:
            if row.id not in shared:
                now = self.identifiers[row.id]
                self.identifiers[row.id] = now._replace(
                    state=ERASED, contact=contact, core=now.core if now.contact == contact else 0
                )
        self.contacts[contact] = self.contacts[contact]._replace(status=ERASED_CONTACT)
        self.write(forget(self.everything(), gone, by, policy=self.policy, sequence=self.sequence))

    # -- reading

    def row(self, name: str) -> Identifier:
        """The identifier written ``kind:value``."""
        kind, _, value = name.partition(":")
        return self.identifiers[self.by_key[kind, value]]

    def key(self, identifier: int) -> Key:
        row = self.identifiers[identifier]
        return row.kind, row.value

    def partition(self, *, proven: bool = False) -> set[frozenset[Key]]:
        groups: dict[int, set[Key]] = {}
        for row in self.identifiers.values():
            group = row.core if proven else row.contact
            if group:
                groups.setdefault(group, set()).add((row.kind, row.value))
        return {frozenset(body) for body in groups.values()}

    def together(self, *names: str) -> bool:
        return len({self.row(name).contact for name in names}) == 1

    def contact_of(self, event_id: str) -> int:
        """The contact an event belongs to, found at read time by its anchor; 0 if nobody's."""
        call, anchor = self.events[event_id]
        if not anchor:
            return 0
        row = self.identifiers[anchor]
        late = row.shared_from is not None and call.ts >= row.shared_from
        early = row.known_from is not None and call.ts < row.known_from
        return row.shared_contact if late or early else row.contact

    def live(self) -> list[Contact]:
        return [row for row in self.contacts.values() if row.status != MERGED]

    def actions(self) -> list[str]:
        return [f"{row.action}:{row.reason}" if row.reason else row.action for row in self.log]
