"""Sending as ``tropa.js`` does: its batch, its headers, the visitor's address as a proxy in front would add it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import parse_qsl

import orjson
import urllib3

import tropa
from tropa_collector.demo.addresses import Addresses
from tropa_collector.demo.commerce import Call
from tropa_collector.demo.traffic.visits import Step, Visit

MAX_BATCH = 50  # of tropa.js
_LIBRARY = {"name": "tropa.js", "version": tropa.__version__}


class Browsers:
    """All visitors' browsers over a few connections."""

    def __init__(self, addresses: Addresses) -> None:
        self._at = addresses
        retries = urllib3.Retry(
            6, backoff_factor=0.2, status_forcelist=(429, 500, 503), allowed_methods=None, raise_on_status=False
        )
        self._http = urllib3.PoolManager(retries=retries, timeout=15)

    def send(self, visit: Visit, steps: Iterable[Step], now: float) -> int:
        """How many events were sent and answered for, bad ones with their reason."""
        events = [event for step in steps for event in _events(visit, step, self._at, now)]
        batches = (events[start : start + MAX_BATCH] for start in range(0, len(events), MAX_BATCH))
        return sum(self._post(visit, batch, now) for batch in batches)

    def _post(self, visit: Visit, events: list[dict[str, Any]], now: float) -> int:
        body = {
            "writeKey": self._at.browser.write_key,
            "batchId": events[0]["messageId"][-12:],
            "sentAt": _time(now),
            "context": _device_context(visit),
            "batch": events,
        }
        headers = {
            "Content-Type": "text/plain;charset=UTF-8",
            "Origin": self._at.shop,
            "Referer": f"{self._at.shop}/",
            "User-Agent": visit.device.user_agent,
            "X-Forwarded-For": visit.device.address,
        }
        answer = self._http.request("POST", f"{self._at.collector}/v1/batch", body=orjson.dumps(body), headers=headers)
        return len(events) if answer.status in {200, 400} else 0


def _device_context(visit: Visit) -> dict[str, Any]:
    """What is the same for all events of a batch."""
    width, height, density = visit.device.screen
    place = visit.person.place
    context: dict[str, Any] = {"library": _LIBRARY, "locale": place.locale, "timezone": place.timezone}
    return context | {"screen": {"width": width, "height": height, "density": density}, "consent": {"state": "granted"}}


def _events(visit: Visit, step: Step, at: Addresses, now: float) -> Iterator[dict[str, Any]]:
    page = page_of(step, at)
    context: dict[str, Any] = {"page": page, "consent": {"state": "granted", "purposes": ["analytics"]}}
    context |= {"sessionId": int(visit.steps[0].at * 1_000)} | _campaign(visit)
    for n, call in enumerate(step.calls):
        event: dict[str, Any] = {"messageId": message_id(visit, step, n), "timestamp": _time(step.at + n / 1_000)}
        event |= {"anonymousId": visit.device.anonymous_id, "context": context}
        if step.user_id is not None:
            event["userId"] = step.user_id
        yield event | _fields(call, context, at, now)


def page_of(step: Step, at: Addresses) -> dict[str, str]:
    path, _, query = step.path.partition("?")
    referrer = f"{at.shop}{step.referrer}" if step.referrer.startswith("/") else step.referrer
    search = f"?{query}" if query else ""
    return {"path": path, "referrer": referrer, "search": search, "title": step.title, "url": f"{at.shop}{step.path}"}


def _campaign(visit: Visit) -> dict[str, Any]:
    """The session's: of the address that the visitor landed on."""
    landed = parse_qsl(visit.steps[0].path.partition("?")[2])
    named = {name.replace("utm_campaign", "name").removeprefix("utm_"): value for name, value in landed}
    return {"campaign": named} if named else {}


def _fields(call: Call, context: dict[str, Any], at: Addresses, now: float) -> dict[str, Any]:
    match call:
        case Call("page", (category, name)):
            return {"type": "page", "category": category, "name": name, "properties": context["page"]}
        case Call("track", (event, properties)):
            return {"type": "track", "event": event, "properties": properties}
        case Call("identify", (str(user_id), traits, _)):
            token = tropa.identity_token(at.browser.signing_secret or "", user_id, email=traits["email"], now=now)
            signed = {**context, "identity": {"token": token}}
            return {"type": "identify", "userId": user_id, "traits": traits, "context": signed}
        case Call("identify", (traits,)):
            return {"type": "identify", "traits": traits}
        case Call("broken", (fields,)):
            return dict(fields)
    raise ValueError(f"a page does not call {call.verb}")


def message_id(visit: Visit, step: Step, n: int) -> str:
    """The same whenever the same visit is played: a step is known by its moment."""
    random = Random(f"{visit.seed} {step.at:.3f} {step.by_server} {n}")
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
