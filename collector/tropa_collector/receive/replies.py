"""Answers of the public listener. Exactly 200 for what is on disk; every refusal has a code and a message."""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from tropa_collector.errors import RequestError
from tropa_collector.pipeline import Verdict

Headers = list[tuple[bytes, bytes]]
JSON: Final = (b"content-type", b"application/json")


class Reply(NamedTuple):
    """An HTTP answer before its CORS headers."""

    status: int
    body: bytes
    headers: Headers


def _all_good(events: int) -> Reply:
    body = b'{"success":true,"accepted":%d,"errors":[],"warnings":[]}' % events
    return Reply(200, body, [JSON, (b"content-length", b"%d" % len(body))])


_GOOD: Final = tuple(_all_good(events) for events in range(1_001))


def of_verdict(verdict: Verdict) -> Reply:
    """200 when at least one event is on disk or nothing was asked; 400 when every event was bad."""
    if not verdict.errors and not verdict.warnings:
        return _GOOD[verdict.accepted] if verdict.accepted < len(_GOOD) else _all_good(verdict.accepted)
    document = {"success": True, "accepted": verdict.accepted, "errors": verdict.errors, "warnings": verdict.warnings}
    if verdict.accepted or not verdict.errors:
        return _json(200, document)
    first = verdict.errors[0]
    document |= {"success": False, "code": first["code"] if len(verdict.errors) == 1 else "all_events_rejected"}
    document["message"] = (
        first["message"] if len(verdict.errors) == 1 else f"All {len(verdict.errors)} events were rejected; see errors."
    )
    return _json(400, document)


def of_error(error: RequestError) -> Reply:
    """The one place where an error becomes HTTP."""
    reply = _json(error.status, {"success": False, "code": error.code, "message": error.message})
    if error.status == 405:
        reply.headers.append((b"allow", b"POST, OPTIONS"))  # RFC 9110 §15.5.6
    if error.retry_after_seconds is not None:
        reply.headers.append((b"retry-after", b"%d" % error.retry_after_seconds))
    return reply


def of_document(document: object) -> Reply:
    return _json(200, document)


def _json(status: int, document: object) -> Reply:
    body = orjson.dumps(document)
    return Reply(status, body, [JSON, (b"content-length", b"%d" % len(body))])
