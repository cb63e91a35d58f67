from __future__ import annotations

from typing import Any

import orjson
import pytest

from tropa_collector import errors
from tropa_collector.errors import RequestError
from tropa_collector.pipeline import Verdict
from tropa_collector.receive.replies import of_error, of_verdict

ERROR = {"index": 0, "messageId": None, "code": "missing_field", "path": "$.event", "message": "needs event"}
WARNING = {"index": 0, "messageId": "m", "code": "no_identity", "path": "$", "message": "nobody"}
LEAVES = [leaf for leaf in vars(errors).values() if isinstance(leaf, type) and issubclass(leaf, RequestError)]


@pytest.mark.parametrize(
    ("verdict", "status", "success", "code"),
    [
        (Verdict(0), 200, True, None),
        (Verdict(1), 200, True, None),
        (Verdict(5_000), 200, True, None),
        (Verdict(1, [ERROR]), 200, True, None),
        (Verdict(1, [], [WARNING]), 200, True, None),
        (Verdict(0, [ERROR]), 400, False, "missing_field"),
        (Verdict(0, [ERROR, ERROR]), 400, False, "all_events_rejected"),
    ],
)
def test_of_verdict(verdict: Verdict, status: int, success: bool, code: str | None) -> None:
    reply = of_verdict(verdict)
    document: dict[str, Any] = orjson.loads(reply.body)
    assert (reply.status, document["success"], document.get("code")) == (status, success, code)
    assert (document["accepted"], document["errors"]) == (verdict.accepted, list(verdict.errors))
    assert document["warnings"] == list(verdict.warnings)
    assert dict(reply.headers)[b"content-length"] == str(len(reply.body)).encode()
    assert ("message" in document) is (status == 400)


@pytest.mark.parametrize("leaf", LEAVES, ids=[leaf.__name__ for leaf in LEAVES])
def test_of_error(leaf: type[RequestError]) -> None:
    reply = of_error(leaf("what to do", retry_after_seconds=7))
    assert reply.status == leaf.status
    assert orjson.loads(reply.body) == {"success": False, "code": leaf.code, "message": "what to do"}
    assert dict(reply.headers)[b"retry-after"] == b"7"
    assert (b"allow" in dict(reply.headers)) is (reply.status == 405)


def test_codes_are_stable_names_and_statuses_are_ones_that_clients_understand() -> None:
    assert len({leaf.code for leaf in LEAVES}) == len(LEAVES)
    assert {leaf.status for leaf in LEAVES} <= {400, 401, 403, 404, 405, 408, 409, 413, 429, 503}
    assert all(leaf.code == leaf.code.lower() and leaf.code.replace("_", "").isalpha() for leaf in LEAVES)
