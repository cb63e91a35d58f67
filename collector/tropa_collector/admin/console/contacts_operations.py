"""What an operator may do about a contact: join it with another, take it apart, take it away, erase it. Each is confirmed first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tropa_collector.admin.console.contacts_lookup import Lookup, head, plain
from tropa_collector.admin.console.forms import sent
from tropa_collector.admin.console.rendering import visit_of
from tropa_collector.admin.ref_routes import RefRoute
from tropa_collector.admin.refs import parse_ref
from tropa_collector.errors import Conflict, RequestError
from tropa_collector.store.protocol import Operation
from tropa_collector.transfer.rights import rights_of

if TYPE_CHECKING:
    from tropa_collector.admin.console.application import Console

MAX_SAID_CHARS = 500
MAX_CHOSEN = 40
CHOSEN = "chosen-"


class _Unsaid(RequestError):
    code = "bad_parameter"


def routes(console: Console) -> list[Route]:
    pages = _Operations(console)
    return [
        RefRoute("/contacts/{ref}/merge", pages.choose, methods=["GET"]),
        RefRoute("/contacts/{ref}/merge", pages.merge, methods=["POST"]),
        RefRoute("/contacts/{ref}/split", pages.confirm_split, methods=["GET"]),
        RefRoute("/contacts/{ref}/split", pages.split, methods=["POST"]),
        RefRoute("/contacts/{ref}/relink", pages.relink, methods=["POST"]),
        RefRoute("/contacts/{ref}/erase", pages.confirm_erasure, methods=["GET"]),
        RefRoute("/contacts/{ref}/erase", pages.erase, methods=["POST"]),
        RefRoute("/contacts/{ref}/export", pages.export, methods=["POST"]),
    ]


class _Operations:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._parts = console.parts
        self._lookup = Lookup(console.parts)

    async def choose(self, request: Request) -> Response:
        """Pick the other contact; then what a merge would join, and which traits would win."""
        found = await self._lookup.found(request)
        other = request.query_params.get("with", "")
        if not other:
            listed = await self._lookup.listed(request)
            rows = [row for row in listed["contacts"] if row["id"] != found["id"]]
            template = "contact_rows.html" if "hx-request" in request.headers else "contact_merge.html"
            values = listed | {"contacts": rows, "chooser": found["id"], "contact": head(found), "preview": None}
            return self._console.page(request, template, **values)
        pair = {"first": _ref(found["id"]), "second": tuple(parse_ref(other))}
        preview = await self._parts.log.operate(Operation("preview_merge", pair))
        theirs = await self._lookup.named(other)
        values = {"contact": head(found), "other": head(theirs), "preview": _preview(preview)}
        return self._console.page(request, "contact_merge.html", **values)

    async def merge(self, request: Request) -> Response:
        found, form = await self._lookup.found(request), await sent(request)
        pair = {"first": _ref(found["id"]), "second": tuple(parse_ref(form.get("with", "")))}
        done = await self._operate("merge_contacts", form, **pair)
        return _to(done["contact_id"], "merged")

    async def confirm_split(self, request: Request) -> Response:
        """What would be taken out: a merge, or the identifiers that were ticked."""
        found = await self._lookup.found(request)
        merge_id, chosen = _merge_id(request.query_params.get("merge")), _chosen(found, request.query_params)
        why = await self._parts.contacts.why(parse_ref(f"id:{found['id']}"))
        merge = next((row for row in (why or {"ledger": []})["ledger"] if merge_id and row.get("merge_id") == merge_id), None)
        if merge is None and not chosen:
            raise _Unsaid("Choose a merge or at least one identifier.")
        handles = [] if merge else [CHOSEN + handle(one) for one in chosen]
        values = {"contact": head(found), "merge": merge, "chosen": chosen, "handles": handles}
        return self._console.page(request, "contact_split.html", **values)

    async def split(self, request: Request) -> Response:
        found, form = await self._lookup.found(request), await sent(request)
        merge_id = _merge_id(form.get("merge"))
        identifiers = [] if merge_id else [(one["kind"], one["value"], 0) for one in _chosen(found, form)]
        what = {"ref": _ref(found["id"]), "merge_id": merge_id, "identifiers": identifiers}
        await self._operate("split_contact", form, **what)
        return _to(found["id"], "split")

    async def relink(self, request: Request) -> Response:
        """Take back that somebody kept two identifiers apart."""
        found, form = await self._lookup.found(request), await sent(request)
        why = await self._parts.contacts.why(parse_ref(f"id:{found['id']}")) or {"refused": []}
        pair = next((row for row in why["refused"] if row["a"] and row["b"] and pair_handle(row) == form.get("pair")), None)
        if pair is None:
            raise _Unsaid("This link is refused no more.")
        first, second = ((row["kind"], row["value"], 0) for row in (pair["a"], pair["b"]))
        done = await self._operate("relink_identifiers", form, first=first, second=second)
        return _to(done["contact_ids"][0], "relinked")

    async def confirm_erasure(self, request: Request) -> Response:
        found = await self._lookup.found(request)
        return self._console.page(request, "contact_erase.html", contact=head(found), fault="")

    async def erase(self, request: Request) -> Response:
        found, form = await self._lookup.found(request), await sent(request)
        if form.get("typed", "").strip() != found["id"]:
            return self._console.page(request, "contact_erase.html", contact=head(found), fault="erase.wrong")
        rights = rights_of(self._parts.settings, self._parts.log)
        await rights.erase(f"id:{found['id']}", **_said(form))
        return _to(found["id"], "erased", page="")

    async def export(self, request: Request) -> Response:
        """Everything held about one person, as a file."""
        if visit_of(request).masked:
            raise Conflict("Emails and phones are masked: show them in the preferences to export this contact.")
        found = await self._lookup.found(request)
        content = await rights_of(self._parts.settings, self._parts.log).export(f"id:{found['id']}")
        headers = {"content-disposition": f'attachment; filename="contact-{found["id"]}.json"'}
        return Response(orjson.dumps(content, option=orjson.OPT_INDENT_2), media_type="application/json", headers=headers)

    async def _operate(self, name: str, form: Mapping[str, str], /, **what: Any) -> Any:
        return await self._parts.log.operate(Operation(name, what | _said(form)))


def handle(named: Mapping[str, Any]) -> str:
    """Stands for an identifier in a form, whose page may not say it when it is masked."""
    text = f"{named['kind']}\0{named['value']}"
    return "i" + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def pair_handle(row: Mapping[str, Any]) -> str:
    return handle(row["a"]) + handle(row["b"])


def _chosen(contact: Mapping[str, Any], names: Iterable[str]) -> list[dict[str, Any]]:
    """The contact's identifiers whose boxes are ticked."""
    ticked = {name.removeprefix(CHOSEN) for name in names if name.startswith(CHOSEN)}
    return [one for one in contact["identifiers"] if one["value"] is not None and handle(one) in ticked][:MAX_CHOSEN]


def _preview(preview: Mapping[str, Any]) -> dict[str, Any]:
    overruled = [row | {"value": plain(row["value"]), "instead": plain(row["instead"])} for row in preview["overruled"]]
    traits = [(name, plain(value)) for name, value in sorted(preview["traits"].items())]
    return dict(preview) | {"traits": traits, "overruled": overruled}


def _said(form: Mapping[str, str]) -> dict[str, str]:
    """Who does it and why: both are kept in the ledger."""
    said = {name: form.get(name, "").strip() for name in ("actor", "reason")}
    if not all(0 < len(text) <= MAX_SAID_CHARS for text in said.values()):
        raise _Unsaid(f"Say who you are and why, each in at most {MAX_SAID_CHARS} characters: both are kept in the ledger.")
    return said


def _merge_id(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 18 else None


def _ref(contact_id: str) -> Sequence[Any]:
    return tuple(parse_ref(f"id:{contact_id}"))


def _to(contact_id: str, done: str, *, page: str = "/identity") -> Response:
    return RedirectResponse(f"/contacts/id:{contact_id}{page}?done={done}", status_code=303)
