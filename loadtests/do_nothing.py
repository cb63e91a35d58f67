"""The yardstick: a do-nothing ASGI handler under the collector's uvicorn settings.

python -m loadtests.do_nothing PORT
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn
import uvloop

from tropa_collector.listeners import server_config
from tropa_collector.receive.guard import guarded_protocol
from tropa_collector.receive.request import Receive, Scope, Send
from tropa_collector.settings import Settings

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")]}
BODY = {"type": "http.response.body", "body": b"ok"}


async def handler(_: Scope, __: Receive, send: Send) -> None:
    await send(START)
    await send(BODY)


if __name__ == "__main__":
    config = server_config(handler, Settings(), http=guarded_protocol(Settings()))
    config.host, config.port = "127.0.0.1", int(sys.argv[1])
    uvloop.run(asyncio.wait_for(uvicorn.Server(config).serve(), 3_600))
