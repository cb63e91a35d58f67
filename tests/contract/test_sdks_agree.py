"""One event is the same from either SDK: the golden cases of ``schemas/examples`` through both, as the collector reads them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import need
from tests.sdk_python.test_sdk_examples import EXAMPLES, call

import tropa
from tropa.testing import MemoryTransport
from tropa_collector.events.normalise import Limits
from tropa_collector.events.validate import Valid, check, open_batch
from tropa_collector.settings import Settings

HERE = Path(__file__).parent
BUNDLE = HERE.parents[1] / "sdk_js" / "dist" / "index.js"

#: What an SDK adds of its own nature: a time, and what only a browser knows. Where the case itself says it, it must agree.
OWN = {"timestamp", "anonymousId"}
OWN_CONTEXT = {"library", "page", "sessionId", "campaign", "consent", "locale", "screen", "timezone", "externalIds"}
PAGE = {"path", "referrer", "search", "title", "url"}
#: The sender's own stamps, and fields of the cases that no call of either SDK has an argument for.
UNSAID = {"messageId", "sentAt", "originalTimestamp", "channel", "rudderId", "_metadata"}


@pytest.fixture(scope="module")
def from_browser() -> dict[str, dict[str, Any]]:
    need("node", "apt-get install nodejs")
    asked = json.dumps(EXAMPLES)
    command = ["node", str(HERE / "golden_calls.mjs"), BUNDLE.as_uri()]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return {name: read(bodies) for name, bodies in json.loads(done.stdout).items()}


def from_backend(example: dict[str, Any]) -> dict[str, Any]:
    transport = MemoryTransport()
    client = tropa.Client("sk_golden", transport=transport, handle_sigterm=False)
    call(client, example)
    client.shutdown(5)
    return read(transport.batches)


def read(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    """The one event of the posted bodies, with the collector's eyes."""
    [body] = bodies
    settings = Settings()
    envelope = open_batch(body, max_events=settings.max_batch_events, max_bytes=settings.max_body_bytes)
    [item] = envelope.items
    limits = Limits.of(settings)
    event = check(item, envelope, source="golden", limits=limits, max_event_bytes=settings.max_event_bytes)
    assert isinstance(event, Valid), event
    return event.event


def as_said(event: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """Without what the SDK added by nature, and without empty maps: they say nothing."""
    kept = _without(event, OWN, example, unsaid(example))
    kept["context"] = _without(event.get("context") or {}, OWN_CONTEXT, example.get("context") or {}, {"library"})
    if example["type"] == "page":
        kept["properties"] = _without(event.get("properties") or {}, PAGE, example.get("properties") or {}, set())
    return {name: value for name, value in kept.items() if value not in ({}, None)}


def unsaid(example: dict[str, Any]) -> set[str]:
    """An alias names no visitor in Python."""
    return UNSAID | ({"anonymousId"} if example["type"] == "alias" else set())


def _without(values: dict[str, Any], own: set[str], said: dict[str, Any], never: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in never and (name not in own or said.get(name) is not None)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_both_say_the_same(from_browser: dict[str, dict[str, Any]], name: str) -> None:
    example = EXAMPLES[name]
    browser, backend = as_said(from_browser[name], example), as_said(from_backend(example), example)
    assert browser == backend
    said = {field for field, value in example.items() if value not in ({}, None)}
    assert browser.keys() >= said - unsaid(example)
