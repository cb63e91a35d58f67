"""What two browser SDKs fetch before their first event: enough to start, and to send here and nowhere else.

Shapes: ``CDNSettings`` of analytics.js-next (packages/browser/src/browser/settings.ts) and ``isValidSourceConfig`` of
RudderStack's analytics-js v3 (packages/analytics-js, configManager/util/validate.ts).
"""

from __future__ import annotations

import re
from typing import Any

from tropa_collector.errors import RequestError

_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_LOOPBACK = re.compile(r"(?:localhost|127\.[0-9.]+|\[::1\])(?::[0-9]+)?")


def segment_settings(write_key: str, host: str) -> dict[str, Any]:
    """``GET /v1/projects/{writeKey}/settings`` for analytics.js-next, which then posts to ``<host>/v1/t`` and so on.

    The SDK takes HTTPS for granted, which is right behind any proxy; a loopback host is a developer's, and plain.

    Raises:
        RequestError: ``host`` is none; without one the SDK would send the events to its vendor.
    """
    if not _HOST.fullmatch(host):
        raise RequestError("The Host header is not a host name.", code="bad_host")
    destination: dict[str, Any] = {
        "apiKey": write_key,
        "apiHost": f"{host}/v1",
        "protocol": "http" if _LOOPBACK.fullmatch(host) else "https",
        "unbundledIntegrations": [],
        "addBundledMetadata": True,
        "maybeBundledConfigIds": {},
    }
    return {
        "integrations": {"Segment.io": destination},
        "plan": {call: {"__default": {"enabled": True, "integrations": {}}} for call in ("track", "identify", "group")},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "remotePlugins": [],
        "analyticsNextEnabled": True,
        "legacyVideoPluginsEnabled": False,
    }


def rudderstack_settings(write_key: str, host: str) -> dict[str, Any]:
    """``GET /sourceConfig/`` for RudderStack's SDK: a source without destinations; events go to its ``dataPlaneUrl``."""
    quiet = {"errors": {"enabled": False}, "metrics": {"enabled": False}}
    source = {
        "id": write_key,
        "name": host,
        "writeKey": write_key,
        "enabled": True,
        "workspaceId": "tropa",
        "config": {"statsCollection": quiet},
        "connections": [],
        "destinations": [],
        "dataplanes": {},
    }
    return {"source": source}
