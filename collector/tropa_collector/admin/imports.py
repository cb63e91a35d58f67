"""``POST /api/v1/import``: rows of an import, for a command that finds the data directory in use.

    {"import": "5f2c…", "at": "2026-11-21T00:00:00Z", "region": "RU",
     "rows": [{"row": 1, "userId": "42", "traits": {"email": "anna@example.com", "city": "Kazan"}, "timestamp": "…"}]}

``at`` is the time of rows without one. A request that is repeated changes nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tropa_collector.admin.answers import Json
from tropa_collector.errors import PayloadTooLarge, RequestError
from tropa_collector.events.timestamps import to_microseconds
from tropa_collector.transfer.imports import Batch, Customer, Importer, customer, import_scope

if TYPE_CHECKING:
    from tropa_collector.admin.api import AdminParts

MAX_ROWS = 1_000
MAX_BODY_BYTES = 32_000_000
_AT_ONCE = 10  # rows read between two looks at the visitors' requests
_IMPORT_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CALL = frozenset(("userId", "anonymousId", "traits", "context", "timestamp"))
_SHAPE = f'Send {{"import": "…", "at": "…", "rows": [{{"row": 1, "userId": "42", "traits": {{}}}}]}}, at most {MAX_ROWS} rows.'


class _BadImportError(RequestError):
    code = "bad_import"


def import_routes(parts: AdminParts) -> list[Route]:
    """The route of imports over the collector's store."""
    importer = Importer(parts.settings, parts.log, parts.counters)

    async def take(request: Request) -> Response:
        asked = _asked(await _body(request))
        scope = import_scope(parts.settings, asked.get("region"))
        read: list[Customer] = []
        for place, row in enumerate(asked["rows"]):
            read.append(customer(row["row"], _call(row), scope))
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)
        known = [one for one in read if one.found.identifiers]
        done = await importer.store(Batch(asked["import"], to_microseconds(asked["at"]), known))
        unidentified = [one.row for one in read if not one.found.identifiers]
        return Json({**done._asdict(), "unidentified": unidentified})

    return [Route("/api/v1/import", take, methods=["POST"])]


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge(f"An import's request has at most {MAX_BODY_BYTES} bytes: send fewer rows.")
    return bytes(body)


def _asked(body: bytes) -> dict[str, Any]:
    try:
        asked = orjson.loads(body)
        to_microseconds(asked["at"])
        region, listed = asked.get("region"), asked["rows"]
        fits = _IMPORT_ID.fullmatch(asked["import"]) and (region is None or re.fullmatch("[A-Z]{2}", region))
        right = fits and isinstance(listed, list) and 1 <= len(listed) <= MAX_ROWS and all(map(_is_row, listed))
    except (ValueError, KeyError, TypeError, AttributeError):
        right = False
    if not right:
        raise _BadImportError(_SHAPE)
    return dict(asked)


def _is_row(row: object) -> bool:
    if not isinstance(row, dict) or not row.keys() <= _CALL | {"row", "type"} or type(row.get("row")) is not int:
        return False
    said = row.get("timestamp")
    if said is not None:
        to_microseconds(said)
    traits, context = row.get("traits", {}), row.get("context", {})
    return row["row"] > 0 and isinstance(traits, dict) and isinstance(context, dict) and context.keys() <= {"externalIds"}


def _call(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "identify", **{name: row[name] for name in sorted(_CALL) if name in row}}
