"""Where an event may name who sent it: every place, as its client wrote it, not yet looked at."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple

from tropa_collector.identity.policy import SIGNED
from tropa_collector.identity.token import Identity

MAX_EXTERNAL_IDS = 50
MAX_KIND_CHARS = 80  # longer than any kind is: what is cut here is no kind
SEGMENT_NAMES = {
    "ios.id": "device_id", "android.id": "device_id", "ios.idfa": "idfa", "android.idfa": "gaid",
    "ios.push_token": "push_token", "android.push_token": "push_token", "yandex_client_id": "ym_client_id",
    "metrica_client_id": "ym_client_id", "telegram": "msgr.telegram", "whatsapp": "msgr.whatsapp", "viber": "msgr.viber",
    "max": "msgr.max", "vk": "social.vk", "google": "social.google", "apple": "social.apple",
}  # fmt: skip


class Candidate(NamedTuple):
    """A value that may be an identifier of ``kind``, and who vouches for it."""

    kind: str
    raw: object
    path: str
    trust: int


def traits_in(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """An identify's traits, wherever its client puts them; the top level wins."""
    if event["type"] != "identify":
        return {}
    context, traits = event.get("context"), event.get("traits")
    inner = context.get("traits") if isinstance(context, Mapping) else None
    inner = inner if isinstance(inner, Mapping) else {}
    return {**inner, **traits} if isinstance(traits, Mapping) else inner


def country_in(event: Mapping[str, Any], traits: Mapping[str, Any]) -> str | None:
    """The country that the event names, for phones without one. Never the contact's nor the IP address's."""
    context, address = event.get("context"), traits.get("address")
    for place in (context, address):
        country = place.get("country") if isinstance(place, Mapping) else None
        if isinstance(country, str) and len(country) == 2 and country.isascii() and country.isalpha():
            return country.upper()
    return None


def candidates(
    event: Mapping[str, Any], traits: Mapping[str, Any], trust: int, stated: Identity | None, identify_on: Container[str]
) -> Iterator[Candidate]:
    """All of one event. ``stated`` is what its token says; ``identify_on`` the track events whose properties name the sender."""
    call = event["type"]
    if stated is not None:
        yield Candidate("user_id", stated.sub, "context.identity.token", SIGNED)
        yield Candidate("email", stated.email, "context.identity.token", SIGNED)
        yield Candidate("phone", stated.phone, "context.identity.token", SIGNED)
    yield Candidate("user_id", event.get("userId"), "userId", trust)
    yield Candidate("anonymous_id", event.get("anonymousId"), "anonymousId", trust if stated is None else SIGNED)
    if call == "identify":
        yield Candidate("email", traits.get("email"), "traits.email", trust)
        yield Candidate("phone", traits.get("phone"), "traits.phone", trust)
    properties = event.get("properties")
    if call == "track" and event.get("event") in identify_on and isinstance(properties, Mapping):
        yield Candidate("email", properties.get("email"), "properties.email", trust)
        yield Candidate("phone", properties.get("phone"), "properties.phone", trust)
    context = event.get("context")
    if call not in ("group", "alias") and isinstance(context, Mapping):
        yield from _external(context, trust)
        yield from _device(context.get("device"), trust)


def _external(context: Mapping[str, Any], trust: int) -> Iterator[Candidate]:
    for name in ("externalIds", "externalId"):
        listed = context.get(name)
        items = listed if isinstance(listed, list) else [listed] if isinstance(listed, Mapping) else []
        for index, item in enumerate(items[:MAX_EXTERNAL_IDS]):
            if isinstance(item, Mapping):
                kind = item.get("type")
                kind = SEGMENT_NAMES.get(kind, kind)[:MAX_KIND_CHARS] if isinstance(kind, str) else "an id without `type`"
                yield Candidate(kind, item.get("id"), f"context.{name}[{index}]", trust)


def _device(device: object, trust: int) -> Iterator[Candidate]:
    if not isinstance(device, Mapping):
        return
    yield Candidate("device_id", device.get("id"), "context.device.id", trust)
    yield Candidate("push_token", device.get("token"), "context.device.token", trust)
    kind = "idfa" if str(device.get("type")).lower() == "ios" else "gaid"
    yield Candidate(kind, device.get("advertisingId"), "context.device.advertisingId", trust)
