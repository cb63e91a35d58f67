"""A fresh event after the fault: sent, acknowledged, and read back."""

from __future__ import annotations

import time

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.table import Row


def probe_row(test: str, collector: CollectorProcess) -> Row:
    identity = f"probe-{time.time_ns()}"
    event = {"type": "track", "event": "Probe", "anonymousId": "probe", "messageId": identity}
    status, _ = collector.post("/v1/track", event)
    found = [stored["messageId"] for stored in collector.events(message_id=identity)]
    holds = status == 200 and found == [identity]
    return Row(test, "a fresh event afterwards", f"{status}, {len(found)} read back", "200, 1", holds)
