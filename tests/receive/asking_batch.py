"""A batch of a browser that asks for cookies."""

from __future__ import annotations

from typing import Any

from tests.contract.door import track

BATCH = "0123456789ab"


def batch(batch_id: object = BATCH, state: object = "granted", **more: Any) -> dict[str, Any]:
    return {"batchId": batch_id, "context": {"consent": {"state": state}}, "batch": [track(anonymousId=None)], **more}
