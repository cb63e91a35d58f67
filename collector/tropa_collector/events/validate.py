"""Values to events: the envelope, then each event against the model. Pure: nothing is read or written."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from tropa_collector.errors import MalformedBody, PayloadTooLarge
from tropa_collector.events.accept import acceptor
from tropa_collector.events.faults import fault_of, kind_of, no_time, shown
from tropa_collector.events.model import ADAPTERS, DEFINITIONS, EVENT_NAME_CHARS, TYPES
from tropa_collector.events.normalise import Fault, Limits, checked, dump, has_room
from tropa_collector.events.plain import NEEDED
from tropa_collector.events.timestamps import FRACTIONS, SECOND_CHARS, SECONDS, to_microseconds

_MESSAGE_IDS = uuid.UUID("6e0c5a0e-5b0c-5c55-9b8f-0d4a5e6f7a10")
_new = tuple.__new__  # a named tuple's own constructor costs three times as much
_UNSAID = frozenset({"receivedAt", "writeKey"})  # in what others relay, and in what analytics.js batches
_RESERVED = frozenset({"enriched", "received_at", "contact_id", "source", "trust"}) | _UNSAID
_ACCEPTS = {type_: acceptor(definition) for type_, definition in DEFINITIONS.items()}
_SWELL = 8  # times max_body_bytes: what merging the batch's own context into each event may make of a body


class Envelope(NamedTuple):
    """A body taken apart: the events, and what the batch says about all of them."""

    items: list[Any]
    sent_at: object = None
    context: object = None
    integrations: object = None
    encoded: Sequence[bytes] = ()  # the JSON of each item, where events/plain.py held it against the model: as it came

    @property
    def bare(self) -> bool:
        """Nothing to merge into the items."""
        return self.context is None and self.integrations is None


class Notice(NamedTuple):
    """Something about an accepted event that its sender should know."""

    code: str
    path: str
    message: str


class Valid(NamedTuple):
    """A good event. Times are UTC microseconds; None where the sender gave none."""

    event: dict[str, Any]
    encoded: bytes
    type: str
    name: str
    message_id: str
    original_at: int | None
    sent_at: int | None
    notices: tuple[Notice, ...]


class Invalid(NamedTuple):
    """A bad event and its first fault."""

    fault: Fault
    type: str
    name: str
    message_id: str
    encoded: bytes


def open_batch(body: object, encoded: Sequence[bytes] = (), *, max_events: int, max_bytes: int) -> Envelope:
    """The events of a ``/v1/batch`` body of at most ``max_bytes``.

    Raises:
        MalformedBody: not an object with a list ``batch``.
        PayloadTooLarge: more events than ``max_events``, or a context that would swell them beyond all proportion.
    """
    if not isinstance(body, dict):
        raise MalformedBody(f'Send an object {{"batch": [...]}}, not {kind_of(body)}.', code="not_an_object")
    items = body.get("batch")
    if not isinstance(items, list):
        raise MalformedBody(
            'This path takes {"batch": [...]}: put the event into one, or send it to /v1/track and its like.', code="batch_missing"
        )
    if len(items) > max_events:
        raise PayloadTooLarge(f"{len(items)} events in one batch; at most {max_events} are taken. Send smaller batches.")
    envelope = Envelope(items, body.get("sentAt"), body.get("context"), body.get("integrations"), encoded)
    if (envelope.context or envelope.integrations) and _shared_bytes(envelope) * len(items) > _SWELL * max_bytes:
        raise PayloadTooLarge("The batch's `context` and `integrations` are too large to go with each event. Send smaller batches.")
    return envelope


def _shared_bytes(envelope: Envelope) -> int:
    return len(dump((envelope.context, envelope.integrations)))


def open_single(body: object, encoded: Sequence[bytes] = (), *, type_: str) -> Envelope:
    """The one event of ``/v1/track`` and its like; a missing type is the path's.

    Raises:
        MalformedBody: not an object.
    """
    if not isinstance(body, dict):
        raise MalformedBody(f"Send one event as a JSON object, not {kind_of(body)}.", code="not_an_object")
    if body.get("type") is None:
        body["type"] = type_
    body.pop("writeKey", None)
    return Envelope([body], encoded=encoded)


def check_all(envelope: Envelope, *, source: str, limits: Limits, max_event_bytes: int) -> Iterator[Valid | Invalid]:
    """Each event of an envelope as :func:`check` finds it, in their order."""
    lent, most_bytes = envelope.sent_at, min(limits.sure_bytes, max_event_bytes)
    at_once = envelope.bare and len(envelope.encoded) > 0
    for item, encoded in zip(envelope.items, envelope.encoded or repeat(b"")):  # noqa: B905 - no end
        usual = _usual(item, encoded, lent, most_bytes) if at_once else None
        yield usual or check(item, envelope, source=source, limits=limits, max_event_bytes=max_event_bytes, encoded=encoded)


def check(  # noqa: PLR0913 - keywords, once an event
    item: object, envelope: Envelope, *, source: str, limits: Limits, max_event_bytes: int, encoded: bytes = b""
) -> Valid | Invalid:
    """One event: merged with its batch, bounded, repaired, held against the model. ``encoded`` is its place in the envelope's."""
    if not isinstance(item, dict):
        return _invalid(Fault("wrong_type", "$", f"An event is a JSON object, not {kind_of(item)}."), {}, dump(item))
    event, plain = item, encoded != b""
    if envelope.context is not None or envelope.integrations is not None:
        event, encoded = _merged(item, envelope), b""
    if envelope.sent_at is not None and event.get("sentAt") is None:
        event["sentAt"], encoded = envelope.sent_at, b""
    notices = () if plain or _RESERVED.isdisjoint(event) else _without_reserved(event)
    fault = None
    if plain:
        encoded = encoded or orjson.dumps(event)  # what was merged into it is as sound as it is
    if not plain or (len(encoded) > limits.sure_bytes and not has_room(encoded, limits)):
        event, encoded, fault = checked(event, limits)
    if fault is None and len(encoded) > max_event_bytes and (size := _own_bytes(event, encoded, envelope)) > max_event_bytes:
        text = f"The event has {size} bytes; at most {max_event_bytes} are taken. Send less in properties or traits."
        fault = Fault("event_too_large", "$", text)
    if fault is not None:
        return _invalid(fault, event, encoded)
    if not (plain and ((needed := NEEDED.get(event["type"])) is None or needed in event)) and not _accepted(event):
        try:
            event, encoded = _judged(event, encoded)
        except _Refused as refused:
            return _invalid(refused.fault, event, encoded)
    try:
        # RudderStack's Node library sends both: `timestamp` is then the application's word, the other one the library's clock.
        said: Any = event.get("timestamp") or event.get("originalTimestamp")
        original_at = to_microseconds(said) if said else None
        said = event.get("sentAt")
        sent_at = to_microseconds(said) if said else None
    except ValueError:
        return _invalid(_bad_time(event, said), event, encoded)
    message_id = event.get("messageId")
    if not message_id:
        message_id = _message_id(source, event, own_time=original_at is not None)
        encoded = orjson.dumps(event | {"messageId": message_id})
        event["messageId"] = message_id
        notices += (Notice("message_id_missing", "$.messageId", "Without a messageId a retry cannot be told from a second event."),)
    return _new(Valid, (event, encoded, event["type"], _name(event), message_id, original_at, sent_at, notices))


def _usual(event: dict[str, Any], encoded: bytes, lent: object, most_bytes: int) -> Valid | None:
    """A plain event of which nothing is to be said, with times as JavaScript writes them; None if it is not one.

    Most events end here, so it looks up what :func:`check` would ask for.
    """
    if len(encoded) > most_bytes:
        return None
    get, type_ = event.get, event["type"]
    if type_ in NEEDED and NEEDED[type_] not in event:
        return None
    message_id, own, sent = get("messageId"), get("timestamp") or get("originalTimestamp"), get("sentAt")
    if not message_id or not own or not (sent or (sent is lent is None)):
        return None
    name = event["event"] if type_ == "track" else _name(event)
    try:
        original_at = FRACTIONS[own[SECOND_CHARS:]] + SECONDS[own[:SECOND_CHARS]]
        sent_at = FRACTIONS[sent[SECOND_CHARS:]] + SECONDS[sent[:SECOND_CHARS]] if sent else None
    except (KeyError, ValueError):
        return None
    return _new(Valid, (event, encoded, type_, name, message_id, original_at, sent_at, ()))


def _accepted(event: dict[str, Any]) -> bool:
    type_ = event.get("type")
    accepts = _ACCEPTS.get(type_) if isinstance(type_, str) else None
    return accepts is not None and accepts(event)


def _own_bytes(event: Mapping[str, Any], encoded: bytes, envelope: Envelope) -> int:
    """The size of an event without the ``sentAt`` that its batch lent it: clients measure before they send."""
    lent = envelope.sent_at is not None and event.get("sentAt") == envelope.sent_at
    return len(encoded) - len(f',"sentAt":"{envelope.sent_at}"') if lent else len(encoded)


def _without_reserved(event: dict[str, Any]) -> tuple[Notice, ...]:
    """Drop what only the collector says, and the write key: stored, a server's secret would travel to every destination."""
    dropped = [name for name in event if name in _RESERVED]
    for name in dropped:
        del event[name]
    return tuple(
        Notice("reserved_field", f"$.{name}", f"`{name}` is the collector's own field; yours was dropped.")
        for name in dropped
        if name not in _UNSAID
    )


class _Refused(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.code)
        self.fault = fault


def _judged(event: dict[str, Any], encoded: bytes) -> tuple[dict[str, Any], bytes]:
    """What pydantic says of an event that is not plainly right; numeric ids come back as text.

    A fraction is text in the JSON alone: it identifies nobody, and whoever looks for identifiers is shown what was sent.
    """
    type_ = event.get("type")
    adapter = ADAPTERS.get(type_) if isinstance(type_, str) else None
    if adapter is None:
        text = f"`type` must be one of {', '.join(TYPES)}; it is {shown(type_)}."
        raise _Refused(Fault("unknown_type", "$.type", text))
    try:
        validated: dict[str, Any] = adapter.validator.validate_python(event)
    except ValidationError as error:
        raise _Refused(fault_of(error)) from None
    fractions = {name: event[name] for name in ("userId", "anonymousId") if type(event.get(name)) is float}
    encoded = encoded if validated == event else orjson.dumps(validated)
    return validated | fractions, encoded


def _name(event: Mapping[str, Any]) -> str:
    """What an event is called in lists: a track's event, a page's or screen's name."""
    type_ = event["type"]
    if type_ == "track":
        return event["event"]  # type: ignore[no-any-return] # a text in the model
    name = event.get("name") if type_ in {"page", "screen"} else None
    return name[:EVENT_NAME_CHARS] if type(name) is str else ""


def _merged(item: dict[str, Any], envelope: Envelope) -> dict[str, Any]:
    """The batch's context and integrations under the item's own."""
    for name, outer in (("context", envelope.context), ("integrations", envelope.integrations)):
        if outer:
            inner = item.get(name)
            if inner is None:
                item[name] = outer
            elif type(inner) is dict and type(outer) is dict:
                item[name] = {**outer, **inner}
    return item


def _bad_time(event: Mapping[str, Any], said: str) -> Fault:
    """``said`` is the first of an event's times that is none."""
    own = "timestamp" if event.get("timestamp") else "originalTimestamp"
    return Fault("bad_timestamp", f"$.{own if event.get(own) == said else 'sentAt'}", no_time(said))


def _message_id(source: str, event: Mapping[str, Any], *, own_time: bool) -> str:
    """Content and source make the id if the event has a time of its own: its retries, sentAt apart, then meet."""
    if not own_time:
        return str(uuid.uuid4())
    content = orjson.dumps(
        {name: value for name, value in event.items() if name not in {"sentAt", "messageId"}},
        option=orjson.OPT_SORT_KEYS,
    )
    return str(uuid.uuid5(_MESSAGE_IDS, f"{source}\0{content.decode()}"))


def _invalid(fault: Fault, event: Mapping[str, Any], encoded: bytes) -> Invalid:
    type_, message_id = event.get("type"), event.get("messageId")
    name = event.get("event") if type_ == "track" else None
    return Invalid(
        fault,
        type_ if type(type_) is str and type_ in ADAPTERS else "",
        name[:255] if type(name) is str else "",
        message_id[:200] if type(message_id) is str else "",
        encoded,
    )
