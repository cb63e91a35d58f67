"""One batch on its way: post, judge the reply, wait, halve, or give up on it for good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum, auto
from logging import getLogger
from typing import Any

from tropa.dead_letter import DeadLetters
from tropa.event import timestamp_text
from tropa.options import OnError, Options
from tropa.transport import NoReplyError, Reply, Transport

log = getLogger("tropa")

_SMALLEST_BATCH_BYTES = 32_768
_NO_REASON = ("no_reason", "The reply was not JSON.")


class DeliveryError(Exception):
    """What ``on_error`` is given: why these events were not accepted by the collector.

    ``status`` is that of the reply; ``code``, ``path`` and ``message`` are the collector's own words.
    """

    def __init__(self, status: int, code: str, message: str, path: str | None = None) -> None:
        super().__init__(f"{code}: {message}" + (f" ({path})" if path else ""))
        self.status, self.code, self.message, self.path = status, code, message, path


class Tally:
    """Events that reached their end, since the process began."""

    __slots__ = ("rejected", "sent")

    def __init__(self) -> None:
        self.sent = self.rejected = 0


class Verdict(Enum):
    STORED = auto()
    REFUSED = auto()
    MALFORMED = auto()
    TOO_LARGE = auto()
    AGAIN = auto()


def judge(reply: Reply) -> Verdict:
    """Only a 200 in JSON that does not deny success is a promise; a proxy's page or a redirect is none."""
    if reply.status == 200:
        return Verdict.STORED if _confirms(reply.body) else Verdict.AGAIN
    if reply.status == 413:
        return Verdict.TOO_LARGE
    if reply.status == 400 and _reason(reply)[0] == "malformed_body":
        return Verdict.MALFORMED  # a damaged line of an adopted spool file spoils its neighbours
    if 400 <= reply.status < 500 and reply.status not in {408, 425, 429}:
        return Verdict.REFUSED
    return Verdict.AGAIN


def _confirms(body: Any) -> bool:
    return isinstance(body, Mapping) and body.get("success", True) is True


def pause_before(retry: int, options: Options, asked_seconds: float | None) -> float:
    """Seconds to wait: what the collector asked for, or a doubling pause with jitter so that clients spread out."""
    import random  # noqa: PLC0415 - first needed when something fails, not by every host at import

    if asked_seconds is not None:
        return min(asked_seconds, options.retry_after_longest_seconds) * random.uniform(1.0, 1.1)  # noqa: S311 - spreads load, guards nothing
    longest = min(options.retry_longest_seconds, options.retry_first_seconds * 2.0 ** min(retry - 1, 30))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311


class Delivery:
    """The batch in work, as parts: one at first, more once the collector found it too large."""

    def __init__(self, options: Options, transport: Transport, dead_letters: DeadLetters) -> None:
        self._options, self._transport, self._dead_letters = options, transport, dead_letters
        self._parts: list[list[bytes]] = []  # the last is next
        self._retries = 0
        self._largest_bytes = options.batch_bytes
        self.asked_to_wait = False  # was the last pause the collector's own wish?
        self.tally = Tally()

    @property
    def done(self) -> bool:
        return not self._parts

    def load(self, events: list[bytes]) -> None:
        self._parts = _cut(events, self._largest_bytes)[::-1]

    def attempt(self, timeout: float) -> float:
        """Post the next part once. Returns the seconds to wait before the next attempt."""
        events = self._parts[-1]
        try:
            reply = self._transport.post(_body(events), retries=self._retries, timeout=timeout)
        except NoReplyError as fault:
            return self._again(events, Reply(0, None, None), str(fault))
        match judge(reply):
            case Verdict.STORED:
                self._stored(events, reply)
            case (Verdict.TOO_LARGE | Verdict.MALFORMED) as verdict if len(events) > 1:
                self._halve(events, verdict)
            case Verdict.AGAIN:
                return self._again(events, reply, f"status {reply.status}")
            case _:
                self._refused(events, reply)
        return 0.0

    def _next_part(self) -> None:
        self._parts.pop()
        self._retries = 0

    def _stored(self, events: list[bytes], reply: Reply) -> None:
        if self._retries:
            log.info("the collector answers again after %d retries", self._retries)
        self._next_part()
        errors = _event_errors(reply, len(events))
        self.tally.sent += len(events) - len(errors)
        rejected, self.tally.rejected = self.tally.rejected, self.tally.rejected + len(errors)
        if rejected.bit_length() < self.tally.rejected.bit_length():  # doubled: a mistake in every batch must not flood the log
            codes = ", ".join(sorted({error.code for error in errors.values()}))[:200]
            log.warning(
                "the collector has refused %d events so far (now %s); it has them in quarantine", self.tally.rejected, codes
            )
        for index, error in errors.items():
            report(self._options.on_error, error, [_decode(events[index])])

    def _halve(self, events: list[bytes], verdict: Verdict) -> None:
        middle = len(events) // 2
        self._parts[-1:] = [events[middle:], events[:middle]]
        if verdict is Verdict.TOO_LARGE:
            self._largest_bytes = max(_SMALLEST_BATCH_BYTES, min(self._largest_bytes, sum(map(len, events)) // 2))
        log.info("a batch of %d events is halved: %s", len(events), verdict.name)

    def _again(self, events: list[bytes], reply: Reply, reason: str) -> float:
        self._retries += 1
        if self._options.max_retries is not None and self._retries > self._options.max_retries:
            self._refused(events, reply, ("retries_exhausted", f"Not taken in {self._retries} attempts; the last one: {reason}."))
            return 0.0
        self.asked_to_wait = reply.retry_after_seconds is not None
        pause = pause_before(self._retries, self._options, reply.retry_after_seconds)
        # Every doubling of an outage is worth a line, every retry is not.
        level = 30 if self._retries & (self._retries - 1) == 0 else 10
        log.log(level, "the collector did not take a batch (%s); retry %d in %.1f s", reason, self._retries, pause)
        return pause

    def _refused(self, events: list[bytes], reply: Reply, otherwise: tuple[str, str] = _NO_REASON) -> None:
        """``otherwise``: what to say if the collector gave no reason of its own."""
        self._next_part()
        self.tally.rejected += len(events)
        code, message = _reason(reply, otherwise)
        errors = _event_errors(reply, len(events))
        log.error(
            "%d events were refused for good (status %d, %s) and are in the dead letter",
            len(events),
            reply.status,
            code,
        )
        decoded = [_decode(event) for event in events]
        for index, error in errors.items():
            self._bury(error, [decoded[index]])
        rest = [event for index, event in enumerate(decoded) if index not in errors]
        if rest:
            self._bury(DeliveryError(reply.status, code, message), rest)

    def _bury(self, error: DeliveryError, events: list[dict[str, Any]]) -> None:
        self._dead_letters.add(events, status=error.status, code=error.code, message=error.message)
        report(self._options.on_error, error, events)


def report(on_error: OnError | None, error: Exception, events: list[dict[str, Any]]) -> None:
    if on_error is None:
        return
    try:
        on_error(error, events)
    except (Exception, SystemExit):  # the host's code on the sender's thread, which must go on
        log.exception("on_error raised")


def _body(events: list[bytes]) -> bytes:
    return b'{"batch":[%b],"sentAt":"%b"}' % (b",".join(events), timestamp_text(None).encode())


def _cut(events: list[bytes], largest_bytes: int) -> list[list[bytes]]:
    """Consecutive parts of at most ``largest_bytes`` (or one event) each."""
    if sum(map(len, events)) + len(events) <= largest_bytes:
        return [events]
    parts: list[list[bytes]] = [[]]
    size = 0
    for event in events:
        size += len(event) + 1
        if parts[-1] and size > largest_bytes:
            parts.append([])
            size = len(event) + 1
        parts[-1].append(event)
    return parts


def _event_errors(reply: Reply, count: int) -> dict[int, DeliveryError]:
    """The reply's ``errors`` by index, as far as they name events of this batch."""
    listed = reply.body.get("errors") if isinstance(reply.body, Mapping) else None
    errors: dict[int, DeliveryError] = {}
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, Mapping) and isinstance(index := item.get("index"), int) and 0 <= index < count:
            path = item.get("path")
            errors[index] = DeliveryError(
                reply.status, str(item.get("code")), str(item.get("message")), None if path is None else str(path)
            )
    return errors


def _reason(reply: Reply, otherwise: tuple[str, str] = _NO_REASON) -> tuple[str, str]:
    if not isinstance(reply.body, Mapping):
        return otherwise
    return str(reply.body.get("code", "no_reason"))[:100], str(reply.body.get("message", ""))[:1000]


def _decode(event: bytes) -> dict[str, Any]:
    """An adopted spool file may hold a damaged line; it is reported as it is."""
    try:
        decoded = json.loads(event)
    except ValueError:
        return {"damaged": event.decode(errors="replace")}
    return decoded if isinstance(decoded, dict) else {"damaged": decoded}
