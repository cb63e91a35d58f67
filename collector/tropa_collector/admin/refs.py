"""What an operator calls a contact: ``kind:value``, written as a sender may write it, or ``id:c12``."""

from __future__ import annotations

import re

from tropa_collector.errors import RequestError
from tropa_collector.identity.identifiers import INTERNAL_KINDS, Scope, extract
from tropa_collector.identity.policy import SERVER, kind_table
from tropa_collector.identity_rules import scope_of
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import Ref

_ID = re.compile(r"c?([1-9][0-9]{0,17})")


class BadRef(RequestError):
    """A reference that cannot be one of a contact's."""

    code = "bad_reference"


def parse_ref(text: str, settings: Settings | None = None) -> Ref:
    """The reference, its value normalised as the settings would have it in an event; blocked values may still be asked for.

    Raises:
        BadRef: no kind, an unknown one, or a value that is no identifier of it.
    """
    kind, colon, value = text.partition(":")
    if not colon or not value:
        raise BadRef(f"Write kind:value (email:anna@example.com, user_id:42) or id:c12; it was {text[:80]!r}.")
    if kind == "id":
        found = _ID.fullmatch(value)
        if found is None:
            raise BadRef(f"A contact's id is a c and a number, such as c12; it was {value[:80]!r}.")
        return Ref(id=int(found[1]))
    if kind in INTERNAL_KINDS:
        return Ref(kind, value)
    return _identifier(kind, value, settings)


def spelt(text: str, settings: Settings) -> str:
    """A reference with its value as it is stored; one that cannot be anybody's as it is."""
    try:
        kind, value, contact = parse_ref(text, settings)
    except BadRef:
        return text
    return f"id:{contact}" if contact else f"{kind}:{value}"


def _identifier(kind: str, value: str, settings: Settings | None) -> Ref:
    if not kind_table().has(kind):
        raise BadRef(f"{kind[:80]!r} is not a kind of identifier.")
    event = {"type": "identify", "context": {"externalIds": [{"type": kind, "id": value}]}}
    scope = Scope(trust=SERVER) if settings is None else scope_of(settings, trust=SERVER, blocked=())
    extracted = extract(event, scope)
    if not extracted.identifiers:
        raise BadRef(f"{kind}: {extracted.refusals[0].message}")
    return Ref(*extracted.identifiers[0].key)
