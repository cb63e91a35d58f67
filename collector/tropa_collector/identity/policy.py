"""The tunables of identity as one frozen object: kinds of identifier with their class, priority and limit; caps; switches."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal, NamedTuple

# Trust: the strongest class that vouched for an identifier, an edge or a trait.
CLAIMED, SIGNED, SERVER = 0, 1, 2

# Class of a kind: what one shared value may do. Smaller is stronger.
UNIQUE, POINT, DEVICE, PASSIVE = 0, 1, 2, 3

DAY = 86_400_000_000  # times are microseconds, UTC
NO_LIMIT = 1 << 30
NO_MERGE_RANK = 85  # a value that joins nobody anchors an event only when no device does


class Kind(NamedTuple):
    """One kind of identifier. ``move``: ownership follows the newest claim (a push token follows the last login)."""

    name: str
    strength: int
    priority: int
    limit: int = NO_LIMIT
    move: bool = False

    @property
    def known(self) -> bool:
        """A contact with one of these is known; without any it is anonymous."""
        return self.strength <= POINT


KINDS = (
    Kind("user_id", UNIQUE, 10, 1),
    Kind("email", POINT, 30, 5),
    Kind("phone", POINT, 40, 5),
    Kind("anonymous_id", DEVICE, 70),
    Kind("device_id", DEVICE, 80),
    Kind("ga_client_id", PASSIVE, 90, 20),
    Kind("ym_client_id", PASSIVE, 90, 20),
    Kind("idfa", PASSIVE, 92, 10),
    Kind("gaid", PASSIVE, 92, 10),
    Kind("push_token", PASSIVE, 95, 20, move=True),
    Kind("import_row", PASSIVE, 99),
)
FAMILIES = (
    Kind("ext", UNIQUE, 20, 1),
    Kind("msgr", POINT, 50, 3),
    Kind("social", POINT, 60, 2),
)


#: What may follow ``ext.``: no colon, at which a reference (``ext.crm:7``) is split.
_MEMBER: Final = re.compile(r"[\w.-]{1,64}")


class KindTable(dict[str, Kind]):
    """Kinds by name; a member of a family (``ext.crm``) is made on first sight.

    Raises:
        KeyError: a name that is neither a kind nor in a family.
    """

    def __missing__(self, name: str) -> Kind:
        family, dot, member = name.partition(".")
        if not (dot and member and family in self):
            raise KeyError(name)
        kind = self[family]._replace(name=name)
        if len(self) < 10_000:
            self[name] = kind
        return kind

    def has(self, name: str) -> bool:
        family, dot, member = name.partition(".")
        if dot:
            return family in {kind.name for kind in FAMILIES} and _MEMBER.fullmatch(member) is not None
        return name in self and family not in {kind.name for kind in FAMILIES}


def kind_table(changed: Iterable[Kind] = ()) -> KindTable:
    """All kinds, those of ``changed`` as they are there."""
    return KindTable({kind.name: kind for kind in (*KINDS, *FAMILIES, *changed)})


DevicePolicy = Literal["complementary", "anonymous_only", "limits"]
SharedDevicePolicy = Literal["anonymous", "owner"]
StrategyName = Literal["last", "first", "known_first", "union", "min", "max", "any", "all", "consent"]
#: What a contact's trait is made of when its identifiers say different things; of a trait that is not here, the last word.
TRAIT_STRATEGIES: Final[Mapping[str, StrategyName]] = dict.fromkeys(
    ("name", "first_name", "last_name", "firstName", "lastName", "birthday"), "known_first"
)


@dataclass(frozen=True, slots=True)
class Policy:
    """How identifiers become contacts. Defaults suit a shop; two processes that share a store must share a policy."""

    kinds: KindTable = field(default_factory=kind_table)
    device_policy: DevicePolicy = "complementary"
    shared_device_policy: SharedDevicePolicy = "anonymous"  # whose a bare event of a shared device is: nobody's, or the owner's
    history: int | None = None  # so long before it became known a device's events are its person's; None: all of them
    trait_strategies: Mapping[str, StrategyName] = field(default_factory=lambda: TRAIT_STRATEGIES)
    max_identifiers: int = 1_000  # of one contact
    max_merges: int = 500  # into one contact
    velocity_merges: int = 10  # joins of known contacts into one within velocity_window
    velocity_window: int = DAY
    quarantine_point_users: int = 5  # a point value with proven evidence to more user ids than this joins nobody
    quarantine_device_claimants: int = 20
    claimed_conflicts: int = 50  # refused claims kept as evidence for one identifier: a flood must not weigh on its owner
    refresh: int = DAY  # an edge's last time is written at most this often


def to_json(policy: Policy) -> str:
    """A policy as text: for another process, and for whoever reads what was stored by it."""
    facts = {one.name: getattr(policy, one.name) for one in fields(policy)}
    return json.dumps(facts | {"kinds": list(policy.kinds.values()), "trait_strategies": dict(policy.trait_strategies)})


def from_json(text: str) -> Policy:
    """The policy that ``to_json`` wrote, also an older or a newer version's: what this one does not know is left out."""
    known = {one.name for one in fields(Policy)}
    facts = {name: value for name, value in json.loads(text).items() if name in known}
    if "kinds" in facts:
        facts["kinds"] = kind_table(Kind(*row) for row in facts["kinds"])
    return Policy(**facts)
