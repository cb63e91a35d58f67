"""The client: Segment's verbs, none of which raises, blocks, or loses what it accepted."""

# ruff: noqa: PLR0913, PLR0917 - Segment's argument lists, kept so that code ports by changing an import

from __future__ import annotations

import json
import logging
import weakref
from collections.abc import Callable, Mapping
from datetime import datetime
from os import PathLike
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, Any, NamedTuple

from tropa import lifecycle
from tropa.dead_letter import DeadLetter, DeadLetters
from tropa.delivery import Delivery, DeliveryError, report
from tropa.event import encode
from tropa.message import Common, Fields, Id, new_message
from tropa.options import OnError, Options, checked
from tropa.queue import MemoryQueue, Queue
from tropa.report import DeliveryReport
from tropa.sender import Sender
from tropa.transport import HttpTransport, Transport

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("tropa")

DEFAULT_HOST = "http://localhost:8000"


class Outcome(NamedTuple):
    """What a call answers, unpackable as with ``segment-analytics-python``; true if the event was accepted."""

    accepted: bool
    message: dict[str, Any]

    def __bool__(self) -> bool:
        return self.accepted


class Client:
    """Sends events to one source of a Tropa collector.

    ``write_key``: a server key. ``host``: the collector's public address, with a path if it is mounted on one.
    ``on_error(error, events)``: called on the sender's thread for events the collector refused. ``sync_mode``: each
    call sends before it returns (serverless). ``send=False``: nothing leaves the process. ``debug``: log every event.
    ``spool``: a folder, of this source alone, where events wait on disk; any number of processes may share it.
    ``dead_letter``: a file of JSON lines for events that are refused for good (default: in the spool).
    Times are seconds, sizes bytes. Up to ``proxies`` the order is that of ``segment-analytics-python``.

    Raises:
        ValueError, OSError: at construction only, an option that cannot work.
    """

    def __init__(
        self,
        write_key: str,
        host: str = DEFAULT_HOST,
        debug: bool = False,
        max_queue_size: int = 100_000,
        send: bool = True,
        on_error: OnError | None = None,
        gzip: bool = False,
        max_retries: int | None = None,
        sync_mode: bool = False,
        timeout: float = 10.0,
        proxies: Mapping[str, str] | None = None,
        *,
        max_queue_bytes: int = 30 * 2**20,
        upload_size: int = 1_000,
        upload_bytes: int = 480_000,
        upload_interval: float = 0.5,
        spool: str | PathLike[str] | None = None,
        max_spool_bytes: int = 256 * 2**20,
        dead_letter: str | PathLike[str] | None = None,
        exit_timeout: float = 10.0,
        handle_sigterm: bool = True,
        transport: Transport | None = None,
    ) -> None:
        folder = _absolute(spool)
        options = Options(
            write_key=write_key,
            host=host,
            on_error=on_error,
            gzip=gzip,
            proxies=proxies,
            max_queue_events=max_queue_size,
            max_queue_bytes=max_queue_bytes,
            batch_events=upload_size,
            batch_bytes=upload_bytes,
            batch_age_seconds=upload_interval,
            request_seconds=timeout,
            max_retries=max_retries,
            exit_seconds=exit_timeout,
            spool=folder,
            max_spool_bytes=max_spool_bytes,
            dead_letter=_dead_letter_path(dead_letter, folder),
        )
        self._options = checked(options)
        self._send, self._debug = send, debug
        if debug:
            _show_debug_log()
        self._dead_letters = DeadLetters(self._options.dead_letter, self._options.max_dead_letter_bytes)
        self._sender = _new_sender(self._options, self._dead_letters, transport, threaded=not sync_mode)
        if handle_sigterm and send:
            lifecycle.replace_default_sigterm()
        weakref.finalize(self, self._sender.release).atexit = False

    def identify(
        self,
        user_id: Id | None = None,
        traits: Fields | None = None,
        context: Fields | None = None,
        timestamp: datetime | str | None = None,
        anonymous_id: Id | None = None,
        integrations: Fields | None = None,
        message_id: str | None = None,
    ) -> Outcome:
        """Who somebody is: ``traits`` of ``user_id``, whom ``anonymous_id`` turned out to be."""
        own = {"userId": user_id, "anonymousId": anonymous_id, "traits": traits or {}}
        return self._call("identify", own, Common(context, timestamp, integrations, message_id))

    def track(
        self,
        user_id: Id | None = None,
        event: str | None = None,
        properties: Fields | None = None,
        context: Fields | None = None,
        timestamp: datetime | str | None = None,
        anonymous_id: Id | None = None,
        integrations: Fields | None = None,
        message_id: str | None = None,
    ) -> Outcome:
        """What somebody did."""
        own = {"userId": user_id, "anonymousId": anonymous_id, "event": event, "properties": properties or {}}
        return self._call("track", own, Common(context, timestamp, integrations, message_id))

    def page(
        self,
        user_id: Id | None = None,
        category: str | None = None,
        name: str | None = None,
        properties: Fields | None = None,
        context: Fields | None = None,
        timestamp: datetime | str | None = None,
        anonymous_id: Id | None = None,
        integrations: Fields | None = None,
        message_id: str | None = None,
    ) -> Outcome:
        """Which page somebody saw."""
        own = {"userId": user_id, "anonymousId": anonymous_id, "category": category, "name": name}
        return self._call("page", own | {"properties": properties or {}}, Common(context, timestamp, integrations, message_id))

    def screen(
        self,
        user_id: Id | None = None,
        category: str | None = None,
        name: str | None = None,
        properties: Fields | None = None,
        context: Fields | None = None,
        timestamp: datetime | str | None = None,
        anonymous_id: Id | None = None,
        integrations: Fields | None = None,
        message_id: str | None = None,
    ) -> Outcome:
        """Which screen of an app somebody saw."""
        own = {"userId": user_id, "anonymousId": anonymous_id, "category": category, "name": name}
        return self._call("screen", own | {"properties": properties or {}}, Common(context, timestamp, integrations, message_id))

    def group(
        self,
        user_id: Id | None = None,
        group_id: Id | None = None,
        traits: Fields | None = None,
        context: Fields | None = None,
        timestamp: datetime | str | None = None,
        anonymous_id: Id | None = None,
        integrations: Fields | None = None,
        message_id: str | None = None,
    ) -> Outcome:
        """Which company or household somebody belongs to; ``traits`` are the group's."""
        own = {"userId": user_id, "anonymousId": anonymous_id, "groupId": group_id, "traits": traits or {}}
        return self._call("group", own, Common(context, timestamp, integrations, message_id))

    def alias(
        self,
        previous_id: Id | None = None,
        user_id: Id | None = None,
        context: Fields | None = None,
        timestamp: datetime | str | None = None,
        integrations: Fields | None = None,
        message_id: str | None = None,
    ) -> Outcome:
        """Two ids of one person."""
        own = {"previousId": previous_id, "userId": user_id}
        return self._call("alias", own, Common(context, timestamp, integrations, message_id))

    def flush(self, timeout: float | None = None) -> DeliveryReport:
        """Wait until all events accepted so far have an end, at most ``timeout`` (``exit_timeout``) seconds."""
        return self._sender.flush(self._seconds(timeout))

    def shutdown(self, timeout: float | None = None) -> DeliveryReport:
        """Flush, then end; later calls are dropped and counted. What a spool still holds is for the next process."""
        return self._sender.shutdown(self._seconds(timeout))

    def join(self) -> None:
        """``shutdown`` by the name that ``segment-analytics-python`` gives it."""
        self.shutdown()

    def report(self) -> DeliveryReport:
        """How many events are where, now."""
        return self._sender.report()

    def dead_letters(self) -> list[DeadLetter]:
        """The newest events of this process that were refused for good, at most a thousand."""
        return self._dead_letters.newest()

    def _seconds(self, timeout: float | None) -> float:
        if isinstance(timeout, (int, float)):
            return min(max(0.0, timeout), TIMEOUT_MAX)
        return self._options.exit_seconds

    def _call(self, kind: str, own: dict[str, Any], common: Common) -> Outcome:
        try:
            sent = new_message(kind, own, common)
            return Outcome(self._enqueue(sent), sent)
        except Exception as error:  # the SDK's public methods never raise into the host
            log.error("a %s call cannot be encoded and is dropped", kind, exc_info=error)
            self._sender.drop("it cannot be encoded")
            return Outcome(False, {})

    def _enqueue(self, message: dict[str, Any]) -> bool:
        event = encode(message)
        if self._debug:
            log.debug("%s %s", "event" if self._send else "event (not sent)", event.decode())
        if not self._send:
            return True
        if len(event) > self._options.batch_bytes:
            self._too_large(message, len(event))
            return False
        return self._accept(event)

    def _accept(self, event: bytes) -> bool:
        return self._sender.accept(event)

    def _too_large(self, message: dict[str, Any], size: int) -> None:
        error = DeliveryError(0, "event_too_large", f"{size} bytes are more than a whole batch may have")
        log.error("a %s call of %d bytes is larger than a batch and goes to the dead letter", message["type"], size)
        self._sender.drop("it is larger than a batch")
        self._dead_letters.add([json.loads(encode(message))], status=0, code=error.code, message=error.message)
        report(self._options.on_error, error, [message])


def _new_sender(options: Options, dead_letters: DeadLetters, transport: Transport | None, *, threaded: bool) -> Sender:
    def delivery() -> Delivery:
        http = HttpTransport(options.host, options.write_key, compress=options.gzip, proxies=options.proxies)
        return Delivery(options, transport or http, dead_letters)

    return Sender(options, _queue_maker(options), delivery, threaded=threaded)


def _queue_maker(options: Options) -> Callable[[], Queue]:
    if options.spool is None:
        return lambda: MemoryQueue(options)
    from tropa.spool import Spool  # noqa: PLC0415 - not every host has one

    Spool.prepare(options.spool)
    folder = options.spool
    return lambda: Spool(folder, options)


def _absolute(path: str | PathLike[str] | None) -> Path | None:
    if path is None:
        return None
    if path == "":
        raise ValueError("spool and dead_letter must be None or a path, not an empty string")
    from pathlib import Path  # noqa: PLC0415 - only hosts with a spool or a dead letter file need it

    return Path(path).absolute()


def _dead_letter_path(path: str | PathLike[str] | None, spool: Path | None) -> Path | None:
    file = _absolute(path)
    if file is not None:
        DeadLetters.prepare(file)
        return file
    return spool / "dead-letter.jsonl" if spool is not None else None


def _show_debug_log() -> None:
    log.setLevel(logging.DEBUG)
    if not log.hasHandlers():
        log.addHandler(logging.StreamHandler())
