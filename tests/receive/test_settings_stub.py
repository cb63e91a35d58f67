from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tropa_collector.errors import RequestError
from tropa_collector.receive.settings_stub import rudderstack_settings, segment_settings


@pytest.mark.parametrize(
    ("host", "remote"),
    [
        ("t.shop.example", "https://t.shop.example/v1"),
        ("t.shop.example:8443", "https://t.shop.example:8443/v1"),
        ("localhost:8000", "http://localhost:8000/v1"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("[::1]:8000", "http://[::1]:8000/v1"),
        ("[2001:db8::1]", "https://[2001:db8::1]/v1"),
        ("localhost.evil.test", "https://localhost.evil.test/v1"),
    ],
)
def test_segments_sdk_is_sent_here(host: str, remote: str) -> None:
    destination = segment_settings("wk_1", host)["integrations"]["Segment.io"]
    assert f"{destination['protocol']}://{destination['apiHost']}" == remote
    assert destination["apiKey"] == "wk_1"


def test_segments_sdk_loads_nothing_else_and_reports_nothing() -> None:
    document = segment_settings("wk_1", "t.shop.example")
    assert list(document["integrations"]) == ["Segment.io"]
    assert document["metrics"] == {"sampleRate": 0}
    assert document["remotePlugins"] == []
    assert document["plan"]["track"]["__default"]["enabled"] is True


@pytest.mark.parametrize("host", ["", "a b", "evil.test/path", 'a"b', "a\r\nb", "user@evil.test", "[::1", "a:99999999"])
def test_what_is_no_host_is_not_repeated(host: str) -> None:
    with pytest.raises(RequestError, match="not a host name"):
        segment_settings("wk_1", host)


def test_rudderstacks_sdk_accepts_the_source() -> None:
    source = rudderstack_settings("wk_1", "t.shop.example")["source"]
    assert source["id"]
    assert isinstance(source["config"], dict)
    assert source["destinations"] == []
    assert source["enabled"] is True
    assert not source["config"]["statsCollection"]["errors"]["enabled"]
    assert not source["config"]["statsCollection"]["metrics"]["enabled"]


@pytest.mark.parametrize("document_of", [segment_settings, rudderstack_settings])
def test_every_flavour_is_json(document_of: Callable[[str, str], dict[str, Any]]) -> None:
    document = document_of("wk_1", "localhost:8000")
    assert json.loads(json.dumps(document)) == document
