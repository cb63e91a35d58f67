"""Which events a destination gets: its filter, what the sender switched off, and what the person agreed to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tropa_collector.forward.destination import Filter, Options
from tropa_collector.store.protocol import TRUST_NAMES

#: What Global Privacy Control refuses (the browser's signal, kept as context.consent.gpc).
SALE: Final = frozenset(("sale", "advertising"))


def wanted(event: Mapping[str, Any], options: Options, name: str) -> bool:
    """Whether an event goes to the destination of this name."""
    return _passes(event, options.only) and _switched_on(event.get("integrations"), name) and _agreed(event, options)


def _switched_on(integrations: object, name: str) -> bool:
    """What the event says of destinations by name, else of ``All`` (Segment's spec, Common fields); silence is a yes."""
    if not integrations or not isinstance(integrations, Mapping):
        return True
    of_name = {key.casefold(): value for key, value in integrations.items()}
    return of_name.get(name.casefold(), of_name.get("all")) is not False


def _passes(event: Mapping[str, Any], only: Filter) -> bool:
    name = event.get("event") or event.get("name") or ""
    if only.types and event.get("type") not in only.types:
        return False
    if (only.events and name not in only.events) or name in only.not_events:
        return False
    if only.sources and event.get("source") not in only.sources:
        return False
    if TRUST_NAMES.index(event["trust"]) < TRUST_NAMES.index(only.trust):
        return False
    return only.bots or not _is_bot(event)


def _is_bot(event: Mapping[str, Any]) -> bool:
    device = (event.get("enriched") or {}).get("device") or {}
    return bool(device.get("bot"))


def _agreed(event: Mapping[str, Any], options: Options) -> bool:
    """A destination without purposes is the operator's own: whatever was stored may go there."""
    if not options.purposes:
        return True
    consent = (event.get("context") or {}).get("consent")
    if not isinstance(consent, Mapping):
        return not options.require_consent
    if consent.get("state") == "denied" or (consent.get("gpc") and SALE.intersection(options.purposes)):
        return False
    agreed = _purposes(consent)
    return not options.require_consent if agreed is None else agreed.issuperset(map(str.lower, options.purposes))


def _purposes(consent: Mapping[str, Any]) -> set[str] | None:
    """Tropa's list of purposes, or Segment's map of categories to yes or no; None when it has neither."""
    listed, categories = consent.get("purposes"), consent.get("categoryPreferences")
    if isinstance(listed, list):
        return {str(purpose).lower() for purpose in listed}
    if isinstance(categories, Mapping):
        return {str(name).lower() for name, yes in categories.items() if yes is True}
    return None


def change_for(change: dict[str, Any], options: Options) -> dict[str, Any]:
    """A contact's change as the destination may see it: nobody consented to a change, so one with purposes gets ids alone."""
    if not options.purposes:
        return change
    rest = {name: value for name, value in change.items() if name not in ("traits", "moved")}
    return rest | {end: {"kind": rest[end]["kind"]} for end in ("a", "b") if rest.get(end)}
