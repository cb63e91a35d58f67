"""What the planner must do, as a program that is plain rather than fast: the whole world in sets, every rule by scanning.

It shares the records of an event and the policy with the product, and no other code. Two layers of groups lie over the
identifiers: ``cores`` know proven events only, ``contacts`` know all. Names of identifiers are their keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import Call, Ident, Key

UNIQUE, POINT, DEVICE, PASSIVE = 0, 1, 2, 3
NORMAL, NO_MERGE, QUARANTINED = 0, 1, 2


@dataclass
class Node:
    no_merge: bool
    first_seen: int
    trust: int = 0
    quarantined: bool = False
    alias_of: Key | None = None
    shared_from: int | None = None
    known_from: int | None = None

    @property
    def normal(self) -> bool:
        return not self.no_merge and not self.quarantined


@dataclass
class Link:
    sights: list[tuple[int, str, int]] = field(default_factory=list)  # (ts, event, trust)
    revoked: bool = False

    def first(self, *, proven: bool) -> tuple[int, str] | None:
        return min(((ts, event) for ts, event, trust in self.sights if trust or not proven), default=None)

    def last(self, *, proven: bool) -> tuple[int, str] | None:
        return max(((ts, event) for ts, event, trust in self.sights if trust or not proven), default=None)

    @property
    def trust(self) -> int:
        return max(trust for _, _, trust in self.sights)


@dataclass(eq=False)
class Group:
    members: set[Key]
    merges: int = 0
    recent: list[int] = field(default_factory=list)
    manual: bool = False


class Model:
    """Feed it events one by one in the order in which they are to be applied."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.nodes: dict[Key, Node] = {}
        self.links: dict[frozenset[Key], Link] = {}
        self.cores: list[Group] = []
        self.contacts: list[Group] = []
        self.apart: set[frozenset[Key]] = set()
        self.anchors: dict[str, Key | None] = {}
        self.gathered: dict[int, set[Key]] = {}  # what each core was when its contact last followed it

    # -- looking

    def cls(self, key: Key) -> int:
        if key in self.nodes and self.nodes[key].no_merge:
            return PASSIVE
        return self.policy.kinds[key[0]].strength

    def layer(self, proven: bool) -> list[Group]:
        return self.cores if proven else self.contacts

    def group(self, key: Key, proven: bool) -> Group | None:
        return next((g for g in self.layer(proven) if key in g.members), None)

    def home(self, key: Key, proven: bool) -> Group:
        found = self.group(key, proven)
        assert found is not None
        return found

    def known(self, keys: set[Key]) -> bool:
        return any(self.cls(k) <= POINT for k in keys)

    def rank(self, key: Key) -> tuple[object, ...]:
        return (
            self.cls(key) > POINT, self.group(key, True) is None, not self.nodes[key].normal,
            self.policy.kinds[key[0]].priority, *key,
        )  # fmt: skip

    def best(self, keys: set[Key]) -> Key:
        return min(keys, key=self.rank)

    def best_known(self, keys: set[Key]) -> Key:
        return self.best({k for k in keys if self.cls(k) <= POINT})

    def count(self, keys: set[Key], kind: str) -> int:
        return len({self.nodes[k].alias_of or k for k in keys if k[0] == kind})

    def person(self, contact: Group) -> Group | None:
        return next((core for core in self.cores if self.known(core.members & contact.members)), None)

    def neighbours(self, key: Key, proven: bool) -> dict[Key, Link]:
        found = {}
        for pair, link in self.links.items():
            if key in pair and not link.revoked and link.first(proven=proven):
                (other,) = pair - {key}
                found[other] = link
        return found

    # -- refusing

    def are_apart(self, a: set[Key], b: set[Key]) -> bool:
        return any(len(pair & a) == 1 and len(pair & b) == 1 and len(pair & (a | b)) == 2 for pair in self.apart)

    def refuses_newcomer(self, body: set[Key], key: Key) -> str:
        if self.are_apart({key}, body - {key}):
            return "cannot_link"
        if self.count(body, key[0]) + 1 > self.policy.kinds[key[0]].limit:
            return f"limit:{key[0]}"
        return "cap" if len(body) + 1 > self.policy.max_identifiers else ""

    def contradicts(self, a: set[Key], b: set[Key]) -> str:
        if self.policy.device_policy == "limits" or not (self.known(a) and self.known(b)):
            return ""
        if self.policy.device_policy == "anonymous_only":
            return "device_known"
        return "device_contradiction" if self.strong_kinds(a) & self.strong_kinds(b) else ""

    def strong_kinds(self, keys: set[Key]) -> set[str]:
        return {k[0] for k in keys if self.cls(k) <= POINT}

    def refuses_join(self, a: set[Key], b: set[Key], by: int) -> str:
        if self.are_apart(a, b):
            return "cannot_link"
        if by == DEVICE and self.contradicts(a, b):
            return self.contradicts(a, b)
        for kind in sorted({k[0] for k in a | b}):
            if self.count(a | b, kind) > self.policy.kinds[kind].limit:
                return f"limit:{kind}"
        return "cap" if len(a | b) > self.policy.max_identifiers else ""

    def refuses_pace(self, a: Group, b: Group, ts: int) -> str:
        if a.merges + b.merges + 1 > self.policy.max_merges:
            return "cap"
        near = [t for t in a.recent + b.recent if abs(t - ts) < self.policy.velocity_window]
        known = self.known(a.members) and self.known(b.members)
        return "velocity" if known and len(near) >= self.policy.velocity_merges else ""

    # -- one event

    def apply(self, call: Call) -> Key | None:
        anchor = None
        proven = [i for i in call.identifiers if i.trust]
        claimed = [i for i in call.identifiers if not i.trust]
        if proven:
            anchor = self.link(call, proven, True, None)
            self.follow(call)
        if claimed:
            anchor = self.link(call, claimed, False, anchor)
        if call.previous and anchor and anchor[0] == "user_id":
            self.alias(call, anchor)
        if call.identifiers:
            self.settle(False)
        self.anchors[call.event_id] = anchor
        return anchor

    def follow(self, call: Call) -> None:
        self.settle(True)
        grown = [core for core in self.cores if core.members - self.gathered.get(id(core), set())]
        for core in sorted(grown, key=lambda core: self.rank(self.best(core.members))):
            self.gather(core, call)
        self.gathered = {id(core): set(core.members) for core in self.cores}

    def touch(self, call: Call, ident: Ident) -> Key:
        node = self.nodes.setdefault(ident.key, Node(ident.no_merge, call.ts))
        node.trust = max(node.trust, ident.trust)
        node.first_seen = min(node.first_seen, call.ts)
        return ident.key

    def place(self, call: Call, ident: Ident, proven: bool) -> Key:
        key = self.touch(call, ident)
        for layer in (False, True) if proven else (False,):
            if self.group(key, layer) is None:
                self.layer(layer).append(Group({key}))
        return key

    def link(self, call: Call, idents: list[Ident], proven: bool, anchor: Key | None) -> Key:
        if anchor is None:
            anchor, idents = self.place(call, idents[0], proven), idents[1:]
        for ident in idents:
            if ident.key in self.nodes and self.group(ident.key, proven):
                self.meet(call, anchor, ident.key, ident.trust, proven)
            else:
                self.attach(call, anchor, ident, proven)
        return anchor

    def sight(self, call: Call, a: Key, b: Key, trust: int) -> Link:
        link = self.links.setdefault(frozenset((a, b)), Link())
        link.sights.append((call.ts, call.event_id, trust))
        return link

    def attach(self, call: Call, anchor: Key, ident: Ident, proven: bool) -> None:
        if not self.nodes[anchor].normal:
            self.place(call, ident, proven)
            return
        if self.cls(anchor) >= DEVICE and self.policy.kinds[ident.key[0]].strength <= POINT and not ident.no_merge:
            self.meet(call, anchor, self.place(call, ident, proven), ident.trust, proven)
            return
        group = self.home(anchor, proven)
        old = self.links.get(frozenset((anchor, ident.key)))
        if self.refuses_newcomer(group.members, ident.key) or (old and old.revoked):
            return
        key = self.touch(call, ident)
        group.members.add(key)
        if self.group(key, False) is None:
            self.home(anchor, False).members.add(key)
        self.sight(call, anchor, key, ident.trust)

    def meet(self, call: Call, anchor: Key, key: Key, trust: int, proven: bool) -> None:
        if self.nodes[anchor].quarantined or self.nodes[key].quarantined:
            return
        if not proven and self.flooded(anchor, key):
            return
        self.nodes[key].trust = max(self.nodes[key].trust, trust)
        self.nodes[key].first_seen = min(self.nodes[key].first_seen, call.ts)
        before = self.links.get(frozenset((anchor, key)))
        new = before is None or before.trust == 0
        link = self.sight(call, anchor, key, trust)
        if proven and new and self.too_many(key):
            self.nodes[key].quarantined = True
            return
        a, b = self.home(anchor, proven), self.home(key, proven)
        by = max(self.cls(anchor), self.cls(key))
        if a is b or by == PASSIVE or link.revoked or not (self.nodes[anchor].normal and self.nodes[key].normal):
            return
        if proven:
            if not self.refuses_join(a.members, b.members, by) and not self.refuses_pace(a, b, call.ts):
                self.join_cores(call, a, b, anchor, key)
        elif not self.refuses_claim(a, b, by):
            self.infer(call, a.members, b.members, by, 0)
            self.merge(a, b)

    def refuses_claim(self, a: Group, b: Group, by: int) -> bool:
        if (self.person(a) and self.person(b)) or a.merges + b.merges + 1 > self.policy.max_merges:
            return True
        return bool(self.refuses_join(a.members, b.members, by))

    def flooded(self, anchor: Key, key: Key) -> bool:
        mine = self.home(key, False).members
        if frozenset((anchor, key)) in self.links or anchor in mine:
            return False
        pairs = [(pair - {key}, link) for pair, link in self.links.items() if key in pair]
        return sum(1 for other, link in pairs if not other <= mine and link.trust == 0) >= self.policy.claimed_conflicts

    def too_many(self, key: Key) -> bool:
        if self.cls(key) not in (POINT, DEVICE) or not self.nodes[key].normal:
            return False
        cores = {id(core): core for n in self.neighbours(key, True) if (core := self.group(n, True))}
        if self.cls(key) == DEVICE:
            return sum(self.known(c.members) for c in cores.values()) > self.policy.quarantine_device_claimants
        users = sum(any(k[0] == "user_id" for k in c.members) for c in cores.values())
        return users > self.policy.quarantine_point_users

    def infer(self, call: Call, a: set[Key], b: set[Key], by: int, trust: int) -> None:
        if by == DEVICE and self.known(a) and self.known(b):
            self.sight(call, self.best_known(a), self.best_known(b), trust)

    def join_cores(self, call: Call, a: Group, b: Group, anchor: Key, key: Key) -> None:
        known = self.known(a.members) and self.known(b.members)
        self.infer(call, a.members, b.members, max(self.cls(anchor), self.cls(key)), 1)
        a.members |= b.members
        a.merges += b.merges + 1
        a.recent = sorted(a.recent + b.recent + [call.ts] * known)[-self.policy.velocity_merges - 1 :]
        self.cores.remove(b)

    def merge(self, a: Group, b: Group) -> None:
        """Which of the two survives is a matter of names, and names are not modelled."""
        a.members |= b.members
        a.merges += b.merges + 1
        a.manual = a.manual or b.manual
        self.contacts.remove(b)

    # -- contacts follow cores

    def gather(self, core: Group, call: Call) -> None:
        body = core.members
        homes = [c for c in self.contacts if c.members & body]
        if len(homes) == 1 and not self.barred(homes[0], body) and not self.excess(homes[0], body):
            return
        homes.sort(key=lambda home: self.rank(self.best(home.members)))
        free = [home for home in homes if not self.barred(home, body)]
        stay = [home for home in free if self.holds(home, body)] or free[:1]
        if not self.known(body):
            crowd = [home for home in stay if self.person(home)][1:]
            stay = [home for home in stay if home not in crowd]
        left = [home for home in homes if home not in stay]
        for home in left:
            home.members -= body
        if not stay:
            target = Group(set())
            self.contacts.append(target)
        else:
            target = stay[0]
        for home in stay[1:]:
            self.unite(core, target, home, call)
        target.members |= body
        while not target.manual and (out := self.excess(target, body)):
            self.release(out)
        self.contacts = [contact for contact in self.contacts if contact.members]
        for home in [*left, target]:
            if home.members:
                self.mend(home)

    def unite(self, core: Group, a: Group, b: Group, call: Call) -> None:
        if not (self.known(core.members & a.members) and self.known(core.members & b.members)):
            kinds_a, kinds_b = self.strong_kinds(a.members), self.strong_kinds(b.members)
            kinds = kinds_a & kinds_b
            if self.policy.device_policy == "limits":
                kinds = set()
            if self.policy.device_policy == "anonymous_only":
                kinds = kinds_a | kinds_b if kinds_a and kinds_b else set()
            for key in sorted((a.members | b.members) - core.members):
                if key[0] in kinds and self.cls(key) <= POINT:
                    self.release(key)
            self.infer(call, a.members, b.members, DEVICE, 0)
        self.merge(a, b)

    def holds(self, home: Group, body: set[Key]) -> bool:
        return home.members <= body or any(self.cls(key) < PASSIVE for key in home.members & body)

    def barred(self, contact: Group, body: set[Key]) -> bool:
        for key in contact.members - body:
            other = self.group(key, True)
            if other is None:
                continue
            if self.cls(key) <= POINT and self.known(body):
                return True
            if set(self.neighbours(key, True)) & body:
                return True
        return False

    def excess(self, contact: Group, body: set[Key]) -> Key | None:
        loose = sorted(contact.members - body, key=lambda k: (self.nodes[k].first_seen, *k), reverse=True)
        for key in loose:
            if any(key in pair and pair <= contact.members for pair in self.apart):
                return key
        for key in loose:
            if self.count(contact.members, key[0]) > self.policy.kinds[key[0]].limit:
                return key
        return loose[0] if loose and len(contact.members) > self.policy.max_identifiers else None

    def release(self, key: Key) -> None:
        core = self.group(key, True)
        unit = set(core.members) if core else {key}
        for member in unit:
            self.home(member, False).members.discard(member)
        self.contacts.append(Group(unit))

    def mend(self, contact: Group) -> None:
        first, *rest = self.pieces(contact.members, False)
        contact.members = first
        self.contacts += [Group(piece) for piece in rest]

    def pieces(self, body: set[Key], proven: bool) -> list[set[Key]]:
        """Known identifiers hold together without devices; the strongest piece takes what is shared."""
        found = sorted(self.connected({k for k in body if self.cls(k) <= POINT}, proven), key=lambda p: self.rank(self.best(p)))
        taken: set[Key] = set().union(*found)
        whole = []
        for piece in found:
            free = body - taken
            near = next(c for c in self.connected(piece | free, proven, seed=piece) if piece <= c)
            taken |= near
            whole.append(near)
        rest = sorted(self.connected(body - taken, proven), key=lambda p: self.rank(self.best(p)))
        return whole + rest

    def connected(self, keys: set[Key], proven: bool, seed: set[Key] | None = None) -> list[set[Key]]:
        found: list[set[Key]] = [set(seed)] if seed else []
        found += [{k} for k in keys if not seed or k not in seed]
        for pair, link in self.links.items():
            if pair <= keys and not link.revoked and link.first(proven=proven):
                hit = [p for p in found if p & pair]
                found = [p for p in found if not p & pair] + [set().union(*hit)]
        return found

    # -- devices

    def settle(self, proven: bool) -> None:
        """Every device of the world, again and again, until none wants to move; none moves twice."""
        moved: set[Key] = set()
        while True:
            for key in sorted(self.nodes):
                if key not in moved and self.move(key, proven):
                    moved.add(key)
                    break
            else:
                break
        if not proven:
            for key, node in self.nodes.items():
                if self.cls(key) == DEVICE and not node.quarantined:
                    node.shared_from = self.shared_from(key)
                    node.known_from = self.known_from(key)

    def known_from(self, key: Key) -> int | None:
        """The time by which evidence had led from the device to its person, less the history that is his."""
        if self.policy.history is None:
            return None
        body = {k for k in self.home(key, False).members if self.cls(k) <= DEVICE}
        links = {pair: link for pair, link in self.links.items() if pair <= body and not link.revoked}
        times = {pair: first[0] for pair, link in links.items() if (first := link.first(proven=False))}
        for ts in sorted(set(times.values())):
            reached = {key}
            for _ in body:
                reached |= {k for pair, first in times.items() if first <= ts and pair & reached for k in pair}
            if self.known(reached):
                return ts - self.policy.history
        return None

    def claims(self, key: Key, proven: bool) -> list[tuple[tuple[object, ...], Group]]:
        home, found = self.group(key, proven), []
        unique = any(self.cls(n) == UNIQUE for n in self.neighbours(key, False))
        for n, link in self.neighbours(key, proven).items():
            group = self.group(n, proven)
            if group is None:
                continue
            order = (link.first(proven=proven)[0], self.policy.kinds[n[0]].priority, *n)  # type: ignore[index]
            foreign = not proven and unique and self.cls(n) == POINT and link.trust == 0
            if self.cls(n) <= POINT and self.nodes[n].normal and not foreign:
                found.append((order, group))
            if self.cls(n) == DEVICE and group is home:
                found.append((order, group))
        return sorted(found, key=lambda claim: claim[0])

    def owner(self, key: Key, proven: bool) -> Group | None:
        if not self.policy.kinds[key[0]].move:
            return next((group for _, group in self.claims(key, proven)), None)
        newest = [
            ((*link.last(proven=proven), -self.policy.kinds[n[0]].priority, *n), self.group(n, proven))  # type: ignore[misc]
            for n, link in self.neighbours(key, proven).items()
            if self.cls(n) <= POINT and self.nodes[n].normal and self.group(n, proven)
        ]
        return max(newest, key=lambda claim: claim[0])[1] if newest else None

    def move(self, key: Key, proven: bool) -> bool:
        home, core = self.group(key, proven), self.group(key, True)
        if not (self.cls(key) == DEVICE or self.policy.kinds[key[0]].move) or home is None or self.nodes[key].quarantined:
            return False
        if not proven and core and len(core.members) > 1:
            return False
        owner = self.owner(key, proven)
        if owner is None or owner is home or self.refuses_newcomer(owner.members, key):
            return False
        rest = self.pieces(home.members - {key}, proven)
        owner.members.add(key)
        home.members = rest[0] if rest else set()
        for piece in rest[1:]:
            self.go_along(piece, owner, proven)
        if not home.members:
            self.layer(proven).remove(home)
        return True

    def go_along(self, piece: set[Key], owner: Group, proven: bool) -> None:
        body = set(owner.members)
        fits = not self.known(piece)
        for key in sorted(piece):
            fits = fits and not self.refuses_newcomer(body, key)
            body.add(key)
        if fits:
            owner.members |= piece
        else:
            self.layer(proven).append(Group(piece))

    def shared_from(self, key: Key) -> int | None:
        if self.policy.shared_device_policy == "owner":
            return None
        first: dict[int, int] = {}
        for order, group in self.claims(key, False):
            first.setdefault(id(group), order[0])  # type: ignore[arg-type]
        return sorted(first.values())[1] if len(first) > 1 else None

    # -- alias

    def alias(self, call: Call, user: Key) -> None:
        assert call.previous is not None
        as_user, as_device = call.previous
        device = as_device in self.nodes
        if call.trust:
            if device and self.group(as_device, True):
                self.link(call, [Ident(as_device, call.trust, 0, False)], True, user)
                self.follow(call)
                return
            self.rename(call, user, as_user)
            if not device:
                return
        elif as_user in self.nodes and not device:
            return
        self.link(call, [Ident(as_device, 0, 0, False)], False, user)

    def rename(self, call: Call, user: Key, former: Key) -> None:
        self.place(call, Ident(former, call.trust, 0, False), True)
        old, new = self.nodes[former].alias_of or former, self.nodes[user].alias_of or user
        before = {k: node.alias_of for k, node in self.nodes.items()}
        for key, node in self.nodes.items():
            if old != new and old in (key, node.alias_of):
                node.alias_of = new
        if former != user:
            self.meet(call, user, former, call.trust, True)
            if self.group(former, True) is not self.group(user, True):
                for key, alias_of in before.items():
                    self.nodes[key].alias_of = alias_of
        self.follow(call)

    # -- what is compared

    def partition(self, proven: bool = False) -> set[frozenset[Key]]:
        return {frozenset(g.members) for g in self.layer(proven)}


def without_claims(call: Call) -> Call:
    """The proven part of an event: what a world without claims would have heard."""
    previous = call.previous if call.trust else None
    return call._replace(identifiers=tuple(i for i in call.identifiers if i.trust), previous=previous)
