"""One person's rights over HTTP: ``GET /api/v1/contacts/{ref}/export`` and ``DELETE /api/v1/contacts/{ref}?reason=``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tropa_collector.admin.answers import Json
from tropa_collector.admin.ref_routes import RefRoute, ref_in
from tropa_collector.admin.refs import spelt
from tropa_collector.transfer.rights import rights_of

if TYPE_CHECKING:
    from tropa_collector.admin.api import AdminParts

_MAX_REASON_CHARS = 500


def rights_routes(parts: AdminParts) -> list[Route]:
    """The routes over the collector's store."""
    rights = rights_of(parts.settings, parts.log)

    async def export(request: Request) -> Response:
        return Json(await rights.export(spelt(ref_in(request), parts.settings)))

    async def erase(request: Request) -> Response:
        asked = request.query_params
        reason = asked.get("reason", "")[:_MAX_REASON_CHARS]
        actor = asked.get("actor", "admin api")[:_MAX_REASON_CHARS]
        return Json(await rights.erase(spelt(ref_in(request), parts.settings), actor=actor, reason=reason))

    return [
        RefRoute("/api/v1/contacts/{ref}/export", export, methods=["GET"]),
        RefRoute("/api/v1/contacts/{ref}", erase, methods=["DELETE"]),
    ]
