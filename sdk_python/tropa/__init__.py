"""Tropa's Python SDK.

    import tropa

    tropa.write_key = "sk_…"
    tropa.host = "https://t.shop.example"
    tropa.track("user-42", "Order Completed", {"revenue": 39.95})

The names below configure the default client, which the first call makes; ``Client`` has more options and makes others.
Neither raises into the host afterwards, nor blocks it; what was accepted is delivered at exit, on SIGTERM, after a fork.
"""

from tropa.client import Client, Outcome
from tropa.dead_letter import DeadLetter
from tropa.default import (
    alias,
    flush,
    group,
    identify,
    join,
    page,
    screen,
    shutdown,
    track,
)
from tropa.delivery import DeliveryError
from tropa.inline_script import inline_script
from tropa.options import OnError
from tropa.report import DeliveryReport
from tropa.signed_identity import identity_token
from tropa.version import VERSION

__version__ = VERSION

write_key: str | None = None
host: str = "http://localhost:8000"
on_error: OnError | None = None
debug: bool = False
send: bool = True
sync_mode: bool = False
gzip: bool = False
timeout: float = 10.0
max_retries: int | None = None
max_queue_size: int = 100_000
spool_path: str | None = None
default_client: Client | None = None

__all__ = [
    "Client",
    "DeadLetter",
    "DeliveryError",
    "DeliveryReport",
    "OnError",
    "Outcome",
    "__version__",
    "alias",
    "debug",
    "default_client",
    "flush",
    "group",
    "gzip",
    "host",
    "identify",
    "identity_token",
    "inline_script",
    "join",
    "max_queue_size",
    "max_retries",
    "on_error",
    "page",
    "screen",
    "send",
    "shutdown",
    "spool_path",
    "sync_mode",
    "timeout",
    "track",
    "write_key",
]
