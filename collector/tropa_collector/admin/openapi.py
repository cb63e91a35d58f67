"""``GET /api/v1/openapi.json``: the admin API as OpenAPI 3.1, made from the route table and from the models below.

A route that has no entry in ``DESCRIBED`` is in the document all the same, with what its table says of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any, Final, Literal, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tropa_collector.admin.parameters import MAX_LIMIT

PATH: Final = "/api/v1/openapi.json"
_ROOT: Final = "/api/v1/"
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
Reference = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]*:.+$", examples=["email:anna@example.com", "user_id:42", "id:c12"])]


class Error(BaseModel):
    """What every refusal says."""

    code: str
    message: str


class Pair(BaseModel):
    """Two of a contact's names, and who asks for what is to be done with them."""

    a: Reference
    b: Reference
    actor: Reason
    reason: Reason


class Lift(BaseModel):
    """The identifier that is trusted again."""

    identifier: Reference
    actor: Reason
    reason: Reason


class Rebuild(BaseModel):
    """The contact that is concluded anew."""

    contact: Reference
    actor: Reason
    reason: Reason


class SplitMerge(BaseModel):
    """A merge to undo, by the number that ``why`` gives it."""

    merge_id: int
    actor: Reason = "operator"
    reason: Reason = "split"


class SplitIdentifiers(BaseModel):
    """Identifiers to take out of the contact."""

    identifiers: Annotated[list[Reference], Field(min_length=1, max_length=100)]
    actor: Reason = "operator"
    reason: Reason = "split"


class Replay(BaseModel):
    """Neither of the two: everything in quarantine."""

    model_config = ConfigDict(extra="forbid")

    code: str | None = None
    ids: Annotated[list[int], Field(min_length=1, max_length=1_000)] | None = None


class ImportContext(BaseModel):
    """A customer's ids in other systems: ``{"type": "ext.crm", "id": "7"}``."""

    model_config = ConfigDict(extra="forbid")

    externalIds: list[dict[str, Any]] = []  # noqa: N815 - the sender's own name


class ImportRow(BaseModel):
    """One customer, as an identify call; ``row`` is its place in the import."""

    model_config = ConfigDict(extra="forbid")

    row: Annotated[int, Field(ge=1)]
    type: Literal["identify"] = "identify"
    userId: str | None = None  # noqa: N815 - the sender's own names
    anonymousId: str | None = None  # noqa: N815
    traits: dict[str, Any] = {}
    context: ImportContext = ImportContext()
    timestamp: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None


class Import(BaseModel):
    """Rows of one import; ``at`` is the time of those without one. What is sent again changes nothing."""

    import_: Annotated[str, Field(alias="import", pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    region: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    rows: Annotated[list[ImportRow], Field(min_length=1, max_length=1_000)]


class Described(NamedTuple):
    """What the route table does not know: a summary, the query's parameters, the body."""

    summary: str
    query: tuple[str, ...] = ()
    body: Any = None


_TEXT: Final = {"type": "string"}
_QUERY: Final[dict[str, dict[str, Any]]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 100},
    "since": {"type": "string", "format": "date-time"},
    "after": {"type": "integer", "minimum": 0, "maximum": 10**18, "default": 0},
    "preview": {"type": "string", "enum": ["1"]},
    "a": TypeAdapter(Reference).json_schema(),
    "b": TypeAdapter(Reference).json_schema(),
}
_ABOUT: Final = {
    "limit": "Rows of a page at most. A page may have fewer, even none, and be followed by another.",
    "before": "`next` of the page before this one. Read on until `next` is null: only that ends the list.",
    "after": "`next` of the page before. The feed has no end: an empty page, with the same `next`, says that nothing is new.",
}
_LIST: Final = ("limit", "before")

DESCRIBED: Final[dict[str, Described]] = {
    "GET events": Described("Stored events, newest first", ("message_id", "type", "event", "source", "since", *_LIST)),
    "GET quarantine": Described("Refused events with their reasons, newest first", ("code", *_LIST)),
    "POST quarantine/replay": Described("Take refused events through the stages again", (), Replay),
    "GET stats": Described("What became of every event, and how far each destination is behind"),
    "GET contacts": Described("Contacts by identifier, trait or deed", ("q", "did", "not_did", "since", *_LIST)),
    "GET contacts/{ref}": Described("One contact, exact at the time of reading"),
    "GET contacts/{ref}/events": Described("Its timeline, newest first, anonymous history included", _LIST),
    "GET contacts/{ref}/why": Described("Every link that made it one contact, with the event behind each", ("a", "b")),
    "GET contacts/{ref}/export": Described("Everything held about one person"),
    "DELETE contacts/{ref}": Described("Erasure: events, traits, quarantine; identifiers stay refused", ("actor", "reason")),
    "POST contacts/{ref}/split": Described("Undo a merge, or take identifiers out", (), SplitMerge | SplitIdentifiers),
    "POST contacts/merge": Described("Join two contacts by hand, or preview it", ("preview",), Pair),
    "POST contacts/relink": Described("Let two identifiers that an operator parted be linked again", (), Pair),
    "POST contacts/rebuild": Described("Conclude again from a contact's evidence, by the rules of now", (), Rebuild),
    "POST contacts/lift": Described("Trust an identifier again that was set aside", (), Lift),
    "GET contacts/cannot_link": Described("Pairs that an operator parted", _LIST),
    "GET changes": Described("What became of contacts, in order of commit", ("after", "limit")),
    "POST import": Described("Rows of existing customers", (), Import),
    "GET destinations": Described("Where events go, and how far each place is behind"),
    "GET destinations/{name}/dead-letters": Described("What a destination refused for good"),
    "POST destinations/{name}/dead-letters/replay": Described("Send them once more"),
    "POST destinations/{name}/pause": Described("Hold a destination; its events wait in the log"),
    "POST destinations/{name}/resume": Described("Let it go on where it was"),
    "GET openapi.json": Described("This document"),
}
_REFUSALS: Final = {
    "400": "a parameter, reference or body that cannot be used",
    "401": "no admin token",
    "404": "not there",
    "405": "another method",
    "409": "the data does not allow it",
    "413": "too large",
    "503": "the store is down or busy; Retry-After says when",
}


def with_document(routes: Sequence[BaseRoute]) -> list[BaseRoute]:
    """The routes, and the one that describes them."""

    async def answer(_: Request) -> Response:
        return Response(content, media_type="application/json")

    table = [*routes, Route(PATH, answer)]
    content = orjson.dumps(document(table))
    return table


def document(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """OpenAPI 3.1 of the routes under ``/api/v1``."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, Route) and route.path.startswith(_ROOT):
            path = re.sub(r":\w+\}", "}", route.path)
            for method in sorted((route.methods or set()) - {"HEAD"}):
                paths.setdefault(path, {})[method.lower()] = _operation(method, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tropa admin API", "version": version("tropa")},
        "paths": paths,
        "components": {
            "schemas": {"Error": Error.model_json_schema()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(method: str, path: str) -> dict[str, Any]:
    name = f"{method} {path.removeprefix(_ROOT)}"
    described = DESCRIBED.get(name, Described(name))
    reference = {"in": "path", "required": True}
    parameters = [{"name": one, **reference, "schema": _path_schema(one)} for one in re.findall(r"\{(\w+)\}", path)]
    parameters += [_query_parameter(one) for one in described.query]
    operation: dict[str, Any] = {"summary": described.summary, "parameters": parameters, "responses": _responses()}
    if described.body is not None:
        schema = TypeAdapter(described.body).json_schema(by_alias=True, ref_template="#/$defs/{model}")
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _inlined(schema)}}}
    return operation


def _query_parameter(name: str) -> dict[str, Any]:
    about = {"description": _ABOUT[name]} if name in _ABOUT else {}
    return {"name": name, "in": "query", **about, "schema": _QUERY.get(name, _TEXT)}


def _path_schema(name: str) -> dict[str, Any]:
    return TypeAdapter(Reference).json_schema() if name == "ref" else {"type": "string", "minLength": 1}


def _responses() -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    answers: dict[str, Any] = {"200": {"description": "done", "content": {"application/json": {"schema": {"type": "object"}}}}}
    return answers | {status: {"description": text, "content": error} for status, text in _REFUSALS.items()}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Definitions put where they are referred to: the document has one place for each body and no second one for its parts."""
    parts = schema.pop("$defs", {})

    def placed(value: Any) -> Any:
        if isinstance(value, dict):
            name = str(value.get("$ref", "")).rpartition("/")[2]
            return placed(parts[name]) if name in parts else {key: placed(one) for key, one in value.items()}
        return [placed(one) for one in value] if isinstance(value, list) else value

    return dict(placed(schema))
