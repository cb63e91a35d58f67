"""Read this first. An event's way through the collector, in order:

    receive    receive/endpoint.py    bytes → body → write key → receipt
    validate   events/validate.py     body → events, each valid or invalid with its reason
    enrich     enrich/                clock, page and campaign, device, place
    log        kafka/                 only with --log: the batch waits in a topic, and a worker goes on from here
    resolve    identity/              whose event is it? (inside the store's transaction)
    store      store/                 committed and synced, or refused; invalid events into quarantine
    answer     receive/replies.py     200 only for what is on disk
    forward    forward/               destinations follow the stored log, in a process of their own

``Pipeline.ingest`` is all but the last of it for one request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from tropa_collector.enrich.clock import SkewMemory, corrected_timestamp
from tropa_collector.enrich.device import Devices
from tropa_collector.enrich.page import page_and_campaign
from tropa_collector.enrich.place import Places, stored_address
from tropa_collector.events.normalise import Limits
from tropa_collector.events.originals import context_with_ip, ip_of, with_ips
from tropa_collector.events.validate import Envelope, Invalid, Valid, check_all
from tropa_collector.identity.identifiers import Extracted, Scope, extract
from tropa_collector.identity.policy import KINDS
from tropa_collector.identity_rules import scope_of
from tropa_collector.metrics import Counters
from tropa_collector.receive.browser import completed
from tropa_collector.receive.cookies import consent_state
from tropa_collector.receive.keys import Source
from tropa_collector.receive.receipt import Receipt
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import EventLog, Identity, Outcome, Quarantined, Record, Submission, Trust

Originals = Callable[[], Sequence[bytes] | None]
_new = tuple.__new__  # a named tuple's own constructor costs three times as much
_NO_CONTEXT: Final[dict[str, Any]] = {}
_NOBODY: Final = ("no_identity", "$", "No identifier that can be used: the event is kept, but belongs to nobody.")
_TRUST: Final = {"browser": int(Trust.CLAIMED), "server": int(Trust.SERVER)}
_KINDS: Final = frozenset(kind.name for kind in KINDS)


class Verdict(NamedTuple):
    """What became of a request's events. ``accepted`` counts duplicates: a retry is answered as its first try."""

    accepted: int
    errors: Sequence[dict[str, Any]] = ()
    warnings: Sequence[dict[str, Any]] = ()


@dataclass(slots=True)
class Prepared:
    """A request's events before the store has seen them."""

    submission: Submission
    errors: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    source: str = ""
    events: int = 0

    def handed_over(self) -> Submission:
        """The submission, kept here no longer."""
        submission, self.submission = self.submission, Submission()
        return submission


class Pipeline:
    """The stages over one store."""

    def __init__(self, settings: Settings, log: EventLog, counters: Counters, devices: Devices, places: Places) -> None:
        self._settings = settings
        self._log = log
        self._counters = counters
        self._devices = devices
        self._places = places
        self._limits = Limits.of(settings)
        self._scopes: dict[str, Scope] = {}
        self._skews = SkewMemory(settings.enrich_cache_items)
        self._max_skew_us = settings.max_clock_skew_seconds * 1_000_000

    async def ingest(self, envelope: Envelope, receipt: Receipt, originals: Originals, released: Sequence[int] = ()) -> Verdict:
        """Validate, enrich and store one request's events.

        Raises:
            Unavailable: nothing of it was acknowledged; a retry is safe.
        """
        return await self.commit(self.take(envelope, receipt, originals, released))

    def take(self, envelope: Envelope, receipt: Receipt, originals: Originals, released: Sequence[int] = ()) -> Prepared:
        """Count the events in, validate and enrich them. Whoever takes must ``commit``.

        It is a step of its own so that a request's parsed values are gone, while the processor's caches still hold them,
        before it waits for the disk: kept until the answer, they cost a quarter of the event loop's time.
        """
        counters, source, events = self._counters, "replay" if receipt.replay else receipt.source.name, len(envelope.items)
        counters.received[source] += events
        counters.in_flight[source] += events
        try:
            prepared = self.prepare(envelope, receipt, originals)
        except BaseException:
            counters.settle(source, "refused", events)
            raise
        if released:
            prepared.submission = prepared.submission._replace(released=released)
        prepared.source, prepared.events = source, events
        return prepared

    async def commit(self, prepared: Prepared) -> Verdict:
        """Store what was taken.

        Raises:
            Unavailable: nothing of it was acknowledged; a retry is safe.
        """
        counters, source, events, errors = self._counters, prepared.source, prepared.events, prepared.errors
        settled = 0
        try:
            outcomes = await self._log.commit(prepared.handed_over())
            duplicates, refused = outcomes.count(Outcome.DUPLICATE), outcomes.count(Outcome.QUARANTINED)
            counters.settle(source, "stored", len(outcomes) - duplicates - refused)
            counters.settle(source, "duplicate", duplicates)
            counters.settle(source, "quarantined", refused + events - len(outcomes))
            settled = events
        finally:
            counters.settle(source, "refused", events - settled)
        for error in errors:
            counters.rejections[error["code"]] += 1
        for warning in prepared.warnings:
            counters.warnings[warning["code"]] += 1
        return Verdict(events - len(errors), errors, prepared.warnings)

    def prepare(self, envelope: Envelope, receipt: Receipt, originals: Originals) -> Prepared:
        """Validate and enrich; nothing is stored. ``/v1/validate`` ends here."""
        records: list[Record] = []
        quarantined: list[Quarantined] = []
        prepared = Prepared(Submission(records, quarantined), [], [])
        source, limits, max_bytes = receipt.source.name, self._limits, self._settings.max_event_bytes
        enrich, scope, now = self._enrichment(receipt), self._scope(receipt.source), receipt.received_at / 1e6
        of_browser = receipt.source.kind == "browser"
        for index, verdict in enumerate(check_all(envelope, source=source, limits=limits, max_event_bytes=max_bytes)):
            if isinstance(verdict, Invalid):
                quarantined.append(self._quarantined(verdict, index, envelope, receipt, originals))
                prepared.errors.append(_entry(index, verdict.message_id, verdict.fault))
                continue
            event = completed(verdict, receipt) if of_browser else verdict
            found = extract(event.event, scope, now)
            records.append(enrich(event, found))
            if event.notices or not found.identifiers or found.refusals:
                prepared.warnings.extend(self._warnings(index, event, found))
        return prepared

    def identifiers(self, event: dict[str, Any], source: Source, received_at: int) -> Extracted:
        """What an event says about who sent it, as it is read when it arrives."""
        return extract(event, self._scope(source), received_at / 1e6)

    def _scope(self, source: Source) -> Scope:
        """How a source's events are read for identifiers: made once, it holds their caches."""
        scope = self._scopes.get(source.name)
        if scope is None:
            options, secret = source.options, source.signing_secret
            scope = self._scopes[source.name] = scope_of(
                self._settings,
                trust=_TRUST[source.kind],
                require_signed_identify=options.require_signed_identify,
                signing_secret=secret.encode() if secret else None,
                default_region=options.default_country or self._settings.default_country,
                identify_on_events=frozenset(options.identify_on_events),
                cache_items=2 * self._settings.enrich_cache_items,
            )
        return scope

    def _warnings(self, index: int, event: Valid, found: Extracted) -> Iterator[dict[str, Any]]:
        for notice in event.notices:
            yield _entry(index, event.message_id, notice)
        for refusal in found.refusals:
            self._counters.identifiers_refused[refusal.kind if refusal.kind in _KINDS else "other", refusal.reason] += 1
            yield _entry(index, event.message_id, ("identifier_refused", f"$.{refusal.path}", f"{refusal.kind}: {refusal.message}"))
        if not found.identifiers:
            yield _entry(index, event.message_id, _NOBODY)

    def _enrichment(self, receipt: Receipt) -> Callable[[Valid, Extracted], Record]:
        """The enrich stage of one request: what is the same for its events is looked up once."""
        source, received_at = receipt.source, receipt.received_at
        of_browser = source.kind == "browser"
        trust = _TRUST[source.kind]
        mode, lookup_place, lookup_device = self._settings.ip_storage, self._places.lookup, self._devices.lookup
        skews, max_skew_us = self._skews, self._max_skew_us
        server_clock = "" if of_browser else f"{source.name} {receipt.address}"
        header_agent = receipt.user_agent if of_browser else None
        hints = receipt.hints if of_browser else None
        # A backend's own address says nothing about its visitors: theirs is in context.ip.
        visitor = receipt.address if of_browser else None
        place, address = lookup_place(visitor), stored_address(visitor, mode)
        source_name, ip_json, session = source.name, _text(address), receipt.session

        def enrich(event: Valid, found: Extracted) -> Record:
            sent, encoded, type_, name, message_id, original_at, sent_at, _ = event
            context = sent.get("context") or _NO_CONTEXT
            timestamp = corrected_timestamp(
                original_at,
                sent_at,
                received_at,
                retried=receipt.retried,
                max_skew_us=max_skew_us,
                skews=skews,
                sender=server_clock or sent.get("anonymousId") or "",
            )
            page, campaign = page_and_campaign(context)
            device = lookup_device(context.get("userAgent") or header_agent, context.get("userAgentData") or hints)
            geo, ip = place, address
            if "ip" in context:
                own = stored_address(context["ip"], mode)
                if not of_browser:
                    geo, ip = lookup_place(context["ip"]), own
                if mode != "full":
                    encoded = orjson.dumps({**sent, "context": {**context, "ip": own}})
            body = (
                f'{encoded.decode()[:-1]},"enriched":{{"device":{device.json if device is not None else "null"},'
                f'"geo":{geo.json if geo is not None else "null"},"campaign":{campaign.json if campaign is not None else "null"},'
                f'"page":{page.json if page is not None else "null"},"ip":{ip_json if ip is address else _text(ip)}}}}}'
            )
            if session is not None and consent_state(sent) == "cookieless":
                body = f'{body[:-2]},"session":"{session}"}}}}'
            fields = (
                source_name,
                trust,
                type_,
                name,
                message_id,
                received_at,
                original_at or 0,
                timestamp,
                body,
                _packed(found),
            )
            return _new(Record, fields)

        return enrich

    def _quarantined(self, event: Invalid, index: int, envelope: Envelope, receipt: Receipt, originals: Originals) -> Quarantined:
        sent, mode, batch_ip = originals(), self._settings.ip_storage, ip_of(envelope.context)
        original = sent[index] if sent is not None and len(sent) == len(envelope.items) else event.encoded
        if mode != "full":  # what may not be stored of a good event's address is not kept of a bad one's either
            item = envelope.items[index]
            ips = (ip_of(item.get("context")) if isinstance(item, dict) else None, batch_ip)
            original = with_ips(original, {ip: stored_address(ip, mode) for ip in ips if ip is not None})
        facts = receipt.facts(address=stored_address(receipt.address, mode))
        if len(envelope.items) > 1 or envelope.context or envelope.integrations or envelope.sent_at:
            facts["envelope"] = {
                "sentAt": envelope.sent_at,
                "context": context_with_ip(envelope.context, stored_address(batch_ip, mode)),
                "integrations": envelope.integrations,
            }
        code, path, message = event.fault
        return Quarantined(
            receipt.source.name,
            receipt.received_at,
            event.type,
            event.name,
            code,
            path,
            message,
            event.message_id,
            original,
            _json(facts),
        )


def _packed(found: Extracted) -> Identity | None:
    """Plain lists and tuples: what goes to the writer process."""
    identifiers, _, traits, previous = found
    return ([*map(tuple, identifiers)], traits, previous) if identifiers else None


def _text(address: str | None) -> str:
    return "null" if address is None else f'"{address}"'


def _json(facts: dict[str, Any]) -> str:
    try:
        return orjson.dumps(facts).decode()
    except TypeError:  # an envelope with what no store takes: the replay goes without it
        return orjson.dumps({**facts, "envelope": None}).decode()


def _entry(index: int, message_id: str, why: tuple[str, str, str]) -> dict[str, Any]:
    code, path, message = why
    return {"index": index, "messageId": message_id or None, "code": code, "path": path, "message": message}
