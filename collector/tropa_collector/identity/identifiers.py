"""What one event says about who sent it: its identifiers, normalised and sorted, what was refused, and its traits.

``extract`` is on the hot path: for an event with an anonymous id, or that and a user id, it looks two strings up in a
bounded cache and builds nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from tropa_collector.identity import normalise
from tropa_collector.identity.blocked import BlockedValue, own_rule
from tropa_collector.identity.candidates import Candidate, candidates, country_in, traits_in
from tropa_collector.identity.normalise import JUNK, Fault, Value
from tropa_collector.identity.policy import CLAIMED, NO_MERGE_RANK, Policy
from tropa_collector.identity.records import Ident, Key
from tropa_collector.identity.token import NO_SECRET, Identity, TokenFault, verify

MAX_IDENTIFIERS = 20  # of one event
INTERNAL_KINDS = frozenset(("import_row",))  # never taken from an event
CLAIMED_RANK = 100  # a proven identifier sorts before any claim
UNSIGNED = Fault("unsigned", "This source accepts a user id, email or phone from a browser only in a signed token.")
EXTRA = Fault("extra_value", "The event names more than one value of a kind of which a person has one.")
TOO_MANY = Fault("too_many", f"An event carries at most {MAX_IDENTIFIERS} identifiers.")
NAME_BESIDE_ID = Fault("name_beside_id", "A messenger's user name may change hands: beside the account's id it is no identifier.")
UNKNOWN_KIND = Fault("unknown_kind", "This is not a kind of identifier; another system's ids are ext.<system>, such as ext.crm.")
_NEEDS_SIGNATURE = frozenset(("user_id", "email", "phone"))
_CARRIERS = ("identity", "externalIds", "externalId", "device")


class Refusal(NamedTuple):
    """A value that did not become an identifier: a warning in the reply and a counter by ``kind`` and ``reason``."""

    kind: str
    reason: str
    path: str
    message: str


class Extracted(NamedTuple):
    """``identifiers`` sorted, strongest first. ``previous``: an alias's previousId, as a user id and as an anonymous id."""

    identifiers: tuple[Ident, ...]
    refusals: tuple[Refusal, ...] = ()
    traits: Mapping[str, Any] | None = None
    previous: tuple[Key, Key] | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a source decides how its events are read. Make one for each source and keep it: it holds the caches."""

    trust: int = CLAIMED  # CLAIMED for a browser key, SERVER for a server key
    policy: Policy = field(default_factory=Policy)
    require_signed_identify: bool = False
    signing_secret: bytes | None = None
    default_region: str | None = None  # of phones; the country named in the event comes first
    identify_on_events: frozenset[str] = frozenset()  # track events whose properties hold the sender's email and phone
    email_rules: frozenset[str] = frozenset()
    blocked: tuple[BlockedValue, ...] = ()
    cache_items: int = 20_000
    users: dict[str, Ident] = field(default_factory=dict, compare=False, repr=False)
    visitors: dict[str, Ident] = field(default_factory=dict, compare=False, repr=False)
    others: dict[tuple[str, str, str | None, int], Ident] = field(default_factory=dict, compare=False, repr=False)


Place = TypeVar("Place")


def extract(event: Mapping[str, Any], scope: Scope, now: float = 0.0) -> Extracted:
    """The identifiers, refusals and traits of one event, a plain dict in Segment's shape.

    ``now`` (seconds since 1970) is what an identity token's ``exp`` is compared with.
    """
    if event["type"] in ("track", "page", "screen") and not scope.identify_on_events:
        context = event.get("context")
        if not context or not any(name in context for name in _CARRIERS):
            found = _usual(event, scope)
            if found is not None:
                return found
    return _thorough(event, scope, now)


def _usual(event: Mapping[str, Any], scope: Scope) -> Extracted | None:
    """An event with plain ids and nothing else to look at; None if it is not one."""
    raw_user, raw_visitor = event.get("userId"), event.get("anonymousId")
    found: tuple[Ident, ...] = ()
    if type(raw_visitor) is str:
        visitor = scope.visitors.get(raw_visitor) or _accept(Candidate("anonymous_id", raw_visitor, "", scope.trust), scope, None)
        if isinstance(visitor, Fault):
            return None
        found = (visitor,)
    elif raw_visitor is not None:
        return None
    if raw_user is None:
        return Extracted(found)
    if type(raw_user) is not str or scope.require_signed_identify:
        return None
    user = scope.users.get(raw_user) or _accept(Candidate("user_id", raw_user, "", scope.trust), scope, None)
    if isinstance(user, Fault):
        return None
    return Extracted((user, *found))


def _thorough(event: Mapping[str, Any], scope: Scope, now: float) -> Extracted:
    traits = traits_in(event)
    refusals: list[Refusal] = []
    stated = _stated(event, scope, now, refusals)
    region = country_in(event, traits) or scope.default_region
    found: dict[Key, Ident] = {}
    paths: dict[Key, str] = {}
    for candidate in candidates(event, traits, scope.trust, stated, scope.identify_on_events):
        if candidate.raw is None:
            continue
        ident = _accept(candidate, scope, region)
        if isinstance(ident, Fault):
            refusals.append(Refusal(candidate.kind, ident.reason, candidate.path, ident.message))
        elif ident.key not in found or ident.trust > found[ident.key].trust:
            found[ident.key], paths[ident.key] = ident, candidate.path
    _drop_names_beside_ids(found, paths, refusals)
    chosen = _limited(found, paths, scope, refusals)
    previous = _previous(event, refusals)
    return Extracted(chosen, tuple(refusals), _kept_traits(event, traits), previous)


def _kept_traits(event: Mapping[str, Any], traits: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A group call is a trait of its member: which group, and what was said of it."""
    if event["type"] == "group":
        group, said = event.get("groupId"), event.get("traits")
        return {f"group:{group}": said if isinstance(said, Mapping) else {}}
    return traits or None


def _stated(event: Mapping[str, Any], scope: Scope, now: float, refusals: list[Refusal]) -> Identity | None:
    """What the event's token states, if it has one that can be believed."""
    context = event.get("context")
    identity = context.get("identity") if isinstance(context, Mapping) else None
    token = identity.get("token") if isinstance(identity, Mapping) else None
    if token is None or scope.trust != CLAIMED:
        return None
    stated = verify(token, scope.signing_secret, now) if scope.signing_secret else NO_SECRET
    if isinstance(stated, TokenFault):
        refusals.append(Refusal("token", stated.reason, "context.identity.token", stated.message))
        return None
    return stated


def _accept(candidate: Candidate, scope: Scope, region: str | None) -> Ident | Fault:
    """The identifier that a candidate is; the same raw value is normalised once."""
    kind, raw, _, trust = candidate
    if not scope.policy.kinds.has(kind) or kind in INTERNAL_KINDS:
        return UNKNOWN_KIND
    if scope.require_signed_identify and trust == CLAIMED == scope.trust and kind in _NEEDS_SIGNATURE:
        return UNSIGNED
    if not isinstance(raw, str):
        return _ident(kind, _normalised(kind, raw, region, scope), trust, scope)
    place = (kind, raw, region if kind in _PHONES else None, trust)
    cached = scope.others.get(place)
    if cached is None:
        ident = _ident(kind, _normalised(kind, raw, region, scope), trust, scope)
        if isinstance(ident, Fault):
            return ident
        cached = _remember(scope.others, place, ident, scope)
        if trust == scope.trust and kind == "user_id":
            _remember(scope.users, raw, ident, scope)
        if trust == scope.trust and kind == "anonymous_id":
            _remember(scope.visitors, raw, ident, scope)
    return cached


def _remember(cache: dict[Place, Ident], place: Place, ident: Ident, scope: Scope) -> Ident:
    if len(cache) >= scope.cache_items:
        cache.clear()  # cheaper than keeping an order, and the usual visitors are back within a second
    cache[place] = ident
    return ident


_PHONES = frozenset(("phone", "msgr.whatsapp", "msgr.viber"))


def _normalised(kind: str, raw: object, region: str | None, scope: Scope) -> Value | Fault:
    if kind == "email":
        return normalise.email(raw, scope.email_rules)
    if kind in _PHONES:
        return normalise.phone(raw, region)
    return _NORMALISERS.get(kind.partition(".")[0], normalise.plain_id)(raw)


_NORMALISERS = {
    "anonymous_id": normalise.anonymous_id,
    "device_id": normalise.lower_id,
    "idfa": normalise.lower_id,
    "gaid": normalise.lower_id,
    "ga_client_id": normalise.ga_client_id,
    "msgr": normalise.messenger_id,
}


def _ident(kind: str, value: Value | Fault, trust: int, scope: Scope) -> Ident | Fault:
    if isinstance(value, Fault):
        return value
    ruled = own_rule(scope.blocked, kind, value.text) if scope.blocked else ""
    if ruled == "block":
        return JUNK
    no_merge = value.no_merge or ruled == "no_merge"
    rank = NO_MERGE_RANK if no_merge else scope.policy.kinds[kind].priority
    return Ident((kind, value.text), trust, rank if trust else rank + CLAIMED_RANK, no_merge)


def _drop_names_beside_ids(found: dict[Key, Ident], paths: dict[Key, str], refusals: list[Refusal]) -> None:
    """Of a messenger's account the id counts, and its user name only when the event has no id."""
    accounts = [key for key in found if key[0].startswith("msgr.")]
    with_id = {kind for kind, value in accounts if value.lstrip("+-").isdigit()}
    for key in accounts:
        if key[0] in with_id and not key[1].lstrip("+-").isdigit():
            del found[key]
            refusals.append(Refusal(key[0], NAME_BESIDE_ID.reason, paths[key], NAME_BESIDE_ID.message))


def _limited(found: dict[Key, Ident], paths: dict[Key, str], scope: Scope, refusals: list[Refusal]) -> tuple[Ident, ...]:
    """At most one value of a kind of which a person has one: the proven, then the smallest. And not too many in all."""
    chosen: list[Ident] = []
    single: set[str] = set()
    for ident in sorted(found.values(), key=lambda ident: (ident.rank, ident.key)):
        kind = ident.key[0]
        fault = EXTRA if kind in single else TOO_MANY if len(chosen) == MAX_IDENTIFIERS else None
        if fault is not None:
            refusals.append(Refusal(kind, fault.reason, paths[ident.key], fault.message))
            continue
        if scope.policy.kinds[kind].limit == 1:
            single.add(kind)
        chosen.append(ident)
    return tuple(chosen)


def _previous(event: Mapping[str, Any], refusals: list[Refusal]) -> tuple[Key, Key] | None:
    if event["type"] != "alias":
        return None
    user, device = normalise.plain_id(event.get("previousId")), normalise.anonymous_id(event.get("previousId"))
    if isinstance(user, Fault) or isinstance(device, Fault):
        fault = user if isinstance(user, Fault) else JUNK
        refusals.append(Refusal("user_id", fault.reason, "previousId", fault.message))
        return None
    return ("user_id", user.text), ("anonymous_id", device.text)
