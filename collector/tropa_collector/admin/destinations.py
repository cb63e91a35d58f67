"""``/api/v1/destinations``: where events go, how far each is behind; pause, resume, dead letters and their replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tropa_collector.admin.answers import Json

if TYPE_CHECKING:
    from tropa_collector.admin.api import AdminParts

MAX_DEAD_LETTERS = 1_000  # shown, the newest


def destination_routes(parts: AdminParts) -> list[Route]:
    """The routes over the collector's forwarders."""
    forwarders = parts.forwarders

    async def listed(_: Request) -> Response:
        return Json({"destinations": forwarders.states()})

    async def pause(request: Request) -> Response:
        return Json(await forwarders.ask("pause", request.path_params["name"]))

    async def resume(request: Request) -> Response:
        return Json(await forwarders.ask("resume", request.path_params["name"]))

    async def dead_letters(request: Request) -> Response:
        letters = forwarders.dead_letters(request.path_params["name"])
        return Json({"dead_letters": [letter._asdict() for letter in letters[: -MAX_DEAD_LETTERS - 1 : -1]], "total": len(letters)})

    async def replay(request: Request) -> Response:
        return Json(await forwarders.ask("replay", request.path_params["name"]))

    return [
        Route("/api/v1/destinations", listed),
        Route("/api/v1/destinations/{name}/dead-letters", dead_letters),
        Route("/api/v1/destinations/{name}/dead-letters/replay", replay, methods=["POST"]),
        Route("/api/v1/destinations/{name}/pause", pause, methods=["POST"]),
        Route("/api/v1/destinations/{name}/resume", resume, methods=["POST"]),
    ]
