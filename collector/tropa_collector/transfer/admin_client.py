"""Commands that need the collector which holds the data directory: its admin API, asked over HTTP."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any, NamedTuple

from tropa_collector.errors import StoreError
from tropa_collector.settings import Settings

PATIENCE_SECONDS = 60.0  # with a collector that answers 503
_TIMEOUT_SECONDS = 600
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - what listens on every address is asked on loopback


class AdminApi(NamedTuple):
    """Where it is and who asks."""

    url: str
    token: str | None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON that it answers; a collector that is busy is asked again.

        Raises:
            StoreError: no token was given, or the collector refused or cannot be reached.
        """
        if not self.token:
            raise StoreError(f"The collector on {self.url} must be asked. Give its admin token: --token or TROPA_ADMIN_TOKEN.")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._ask(method, path, body)
            except urllib.error.HTTPError as error:
                if error.code == HTTPStatus.SERVICE_UNAVAILABLE and time.monotonic() < deadline:
                    time.sleep(min(float(error.headers.get("Retry-After") or 1), 5.0))
                    continue
                raise StoreError(f"{self.url} answered {error.code}: {_said(error)}") from None
            except OSError as error:
                raise StoreError(f"{self.url} cannot be reached ({error}). Say where the admin listener is: --admin.") from None

    def _ask(self, method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.url.rstrip("/") + path, data, headers, method=method)  # noqa: S310 - the operator's own address
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
            return json.load(response)


def admin_api(settings: Settings, url: str | None, token: str | None) -> AdminApi:
    """Of the collector that these settings start, but for what a flag says."""
    host = _EVERYWHERE.get(settings.admin_host, settings.admin_host)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return AdminApi(url or f"http://{host}:{settings.admin_port}", token or settings.admin_token)


def _said(error: urllib.error.HTTPError) -> str:
    text = error.read(2_000).decode("utf-8", "replace")
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:500]
