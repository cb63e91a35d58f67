"""``/api/v1/contacts`` and ``/api/v1/changes``: who is who, why, and what an operator may do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tropa_collector.admin.answers import Json
from tropa_collector.admin.parameters import BadParameter, limit, number, page_of, since
from tropa_collector.admin.ref_routes import RefRoute, ref_in
from tropa_collector.admin.refs import parse_ref
from tropa_collector.errors import NotFound
from tropa_collector.store.protocol import ContactQuery, Operation, Ref

if TYPE_CHECKING:
    from tropa_collector.admin.api import AdminParts

MAX_SPLIT = 100  # identifiers named in one request
MAX_REASON_CHARS = 500
_ROOT = "/api/v1/contacts"
_MERGE = 'Send {"a": "user_id:42", "b": "email:anna@example.com", "actor": "who", "reason": "why"}.'
_SPLIT = 'Send {"merge_id": 7} or {"identifiers": ["phone:+79161234567"]}, with "actor" and "reason" if you like.'


class Said(NamedTuple):
    """Who asks for an operation, and why."""

    actor: str
    reason: str


def contact_routes(parts: AdminParts) -> list[Route]:
    """The routes over the collector's contacts."""
    api = _Contacts(parts)
    return [
        Route(_ROOT, api.search),
        Route("/api/v1/changes", api.changes),
        Route(f"{_ROOT}/merge", api.merge, methods=["POST"]),
        Route(f"{_ROOT}/relink", api.relink, methods=["POST"]),
        Route(f"{_ROOT}/lift", api.lift, methods=["POST"]),
        Route(f"{_ROOT}/rebuild", api.rebuild, methods=["POST"]),
        Route(f"{_ROOT}/cannot_link", api.apart),
        RefRoute(f"{_ROOT}/{{ref}}/events", api.timeline),
        RefRoute(f"{_ROOT}/{{ref}}/why", api.why),
        RefRoute(f"{_ROOT}/{{ref}}/split", api.split, methods=["POST"]),
        RefRoute(f"{_ROOT}/{{ref}}", api.contact),
    ]


class _Contacts:
    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts

    async def search(self, request: Request) -> Response:
        asked = request.query_params
        query = ContactQuery(
            q=asked.get("q", ""),
            did=asked.get("did"),
            not_did=asked.get("not_did"),
            since=since(request),
            before=asked.get("before"),
            limit=limit(request),
        )
        page = await page_of(self._parts.contacts.search(query))
        return Json({"contacts": page.rows, "next": page.next})

    async def contact(self, request: Request) -> Response:
        return Json(_present(await self._parts.contacts.contact(self._ref(request)), request))

    async def timeline(self, request: Request) -> Response:
        wanted = self._parts.contacts.timeline(self._ref(request), before=request.query_params.get("before"), limit=limit(request))
        page = _present(await page_of(wanted), request)
        return Json({"events": page.rows, "next": page.next})

    async def why(self, request: Request) -> Response:
        a, b = (request.query_params.get(name) for name in "ab")
        if (a is None) != (b is None):
            raise BadParameter("Name both `a` and `b`, or neither.")
        pair = None if a is None or b is None else (self._parsed(a), self._parsed(b))
        return Json(_present(await self._parts.contacts.why(self._ref(request), pair), request))

    async def changes(self, request: Request) -> Response:
        after = number(request, "after", 0, 10**18)
        rows = await self._parts.contacts.changes(after=after, limit=limit(request))
        return Json({"changes": rows, "next": str(rows[-1]["id"]) if rows else str(after)})

    async def apart(self, request: Request) -> Response:
        page = await page_of(self._parts.contacts.apart(after=request.query_params.get("before"), limit=limit(request)))
        return Json({"cannot_link": page.rows, "next": page.next})

    async def merge(self, request: Request) -> Response:
        body = await _object(request, _MERGE)
        pair = {"first": self._named(body, "a", _MERGE), "second": self._named(body, "b", _MERGE)}
        if request.query_params.get("preview") == "1":
            return await self._operate("preview_merge", **pair)
        return await self._operate("merge_contacts", **pair, **_said(body, _MERGE)._asdict())

    async def split(self, request: Request) -> Response:
        body = await _object(request, _SPLIT)
        merge_id, names = body.get("merge_id"), body.get("identifiers", [])
        right = type(merge_id) is int and not names if merge_id is not None else _are_texts(names)
        if not right:
            raise BadParameter(_SPLIT)
        said = _said({"actor": "operator", "reason": "split", **body}, _SPLIT)
        chosen = [tuple(self._parsed(name)) for name in names]
        what = {"ref": tuple(self._ref(request)), "merge_id": merge_id, "identifiers": chosen}
        return await self._operate("split_contact", **what, **said._asdict())

    async def relink(self, request: Request) -> Response:
        body = await _object(request, _MERGE)
        pair = {"first": self._named(body, "a", _MERGE), "second": self._named(body, "b", _MERGE)}
        return await self._operate("relink_identifiers", **pair, **_said(body, _MERGE)._asdict())

    async def lift(self, request: Request) -> Response:
        shape = 'Send {"identifier": "email:anna@example.com", "actor": "who", "reason": "why"}.'
        body = await _object(request, shape)
        chosen = self._named(body, "identifier", shape)
        return await self._operate("lift_quarantine", identifier=chosen, **_said(body, shape)._asdict())

    async def rebuild(self, request: Request) -> Response:
        shape = 'Send {"contact": "email:anna@example.com", "actor": "who", "reason": "why"}.'
        body = await _object(request, shape)
        chosen = self._named(body, "contact", shape)
        return await self._operate("rebuild_contact", contact=chosen, **_said(body, shape)._asdict())

    async def _operate(self, name: str, **arguments: Any) -> Response:
        return Json(await self._parts.log.operate(Operation(name, arguments)))

    def _ref(self, request: Request) -> Ref:
        return self._parsed(ref_in(request))

    def _named(self, body: Mapping[str, Any], name: str, shape: str) -> tuple[Any, ...]:
        if not isinstance(body.get(name), str):
            raise BadParameter(shape)
        return tuple(self._parsed(body[name]))

    def _parsed(self, text: str) -> Ref:
        return parse_ref(text, self._parts.settings)


def _present(found: Any, request: Request) -> Any:
    if found is None:
        raise NotFound(f"{request.url.path}: there is no such contact.")
    return found


async def _object(request: Request, shape: str) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise BadParameter(shape)
    return body


def _said(body: Mapping[str, Any], shape: str) -> Said:
    actor, reason = body.get("actor"), body.get("reason")
    if not all(isinstance(text, str) and 0 < len(text.strip()) <= MAX_REASON_CHARS for text in (actor, reason)):
        raise BadParameter(f'{shape} "actor" and "reason" are kept in the ledger.')
    return Said(str(actor).strip(), str(reason).strip())


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MAX_SPLIT and all(isinstance(one, str) for one in value)
