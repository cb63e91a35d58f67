"""Contacts: the search, one person's profile, and why it is one person. What changes one is in ``contacts_operations.py``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tropa_collector.admin.console import contacts_operations
from tropa_collector.admin.console.contacts_graph import picture
from tropa_collector.admin.console.contacts_lookup import BadQuery, Lookup, head, is_known, plain
from tropa_collector.admin.console.contacts_operations import CHOSEN, handle, pair_handle
from tropa_collector.admin.console.contacts_timeline import whole_visits
from tropa_collector.admin.console.masking import Typed
from tropa_collector.admin.console.rendering import visit_of
from tropa_collector.admin.ref_routes import RefRoute, ref_in
from tropa_collector.admin.refs import parse_ref
from tropa_collector.errors import NotFound
from tropa_collector.events.timestamps import to_iso, to_microseconds
from tropa_collector.store.protocol import Ref

if TYPE_CHECKING:
    from tropa_collector.admin.console.application import Console

EVENTS = 100  # of a timeline's page
SHOWN_REFUSED = 50
SHOWN_HISTORY = 100
SHOWN_DAYS = 1_100  # three years: a clock that was far off makes no endless plot
DONE: Final = ("merged", "split", "relinked", "erased")
_DAY_SECONDS = 86_400


def routes(console: Console) -> list[Route]:
    pages = _Contacts(console)
    return [
        Route("/contacts", pages.search),
        *contacts_operations.routes(console),
        RefRoute("/contacts/{ref}/timeline", pages.timeline),
        RefRoute("/contacts/{ref}/days.json", pages.days),
        RefRoute("/contacts/{ref}/identity", pages.identity),
        RefRoute("/contacts/{ref:path}", pages.profile),
    ]


class _Contacts:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._parts = console.parts
        self._views = console.parts.views
        self._lookup = Lookup(console.parts)

    async def search(self, request: Request) -> Response:
        listed = await self._lookup.listed(request)
        template = "contact_rows.html" if "hx-request" in request.headers else "contacts.html"
        return self._console.page(request, template, **listed)

    async def profile(self, request: Request) -> Response:
        contact = await self._lookup.found(request)
        number = parse_ref(f"id:{contact['id']}").id
        history = await self._history(request, number)
        around = await self._views.surroundings(number)
        return self._console.page(
            request,
            "contact.html",
            contact=head(contact),
            identifiers=[_identifier(one) for one in contact["identifiers"]],
            traits=_traits(contact["trait_details"], time.time()),
            touches=[("first", contact["first_touch"]), ("last", contact["last_touch"])],
            places=[_place(*row) for row in around["places"]],
            devices=[_device(*row) for row in around["devices"]],
            looked_at=around["looked_at"],
            done=_done(request),
            **history,
        )

    async def timeline(self, request: Request) -> Response:
        """The following visits, for htmx."""
        number = await self._number(request)
        return self._console.page(
            request, "contact_visits.html", contact={"id": f"c{number}"}, **await self._history(request, number)
        )

    async def days(self, request: Request) -> Response:
        """The activity plot's columns: seconds since 1970, then the events of each day; and what it counted, in words."""
        found = await self._views.days(await self._number(request))
        words = visit_of(request).words
        note = "" if found["complete"] else words.text("contact.days_counted", n=found["counted"])
        names = [words.text("column.events")]
        return JSONResponse({"time": words.text("contact.day"), "names": names, "columns": _columns(found["days"]), "note": note})

    async def identity(self, request: Request) -> Response:
        """The graph, its links as sentences, refused links, and what became of the contact."""
        contact = await self._lookup.found(request)
        why = await self._parts.contacts.why(parse_ref(f"id:{contact['id']}"))
        if why is None:
            raise NotFound("There is no such contact.")
        refused = why["refused"][-SHOWN_REFUSED:][::-1]
        return self._console.page(
            request,
            "contact_identity.html",
            contact=head(contact),
            identifiers=[_identifier(one) for one in contact["identifiers"]],
            graph=picture(why["identifiers"], why["links"]),
            links=why["links"],
            refused=await self._refused(refused, contact["id"]),
            history=why["ledger"][-SHOWN_HISTORY:][::-1],
            merges=[row for row in why["ledger"] if row.get("merge_id") and row["other_contact_id"] in contact["merged_ids"]][::-1],
            done=_done(request),
        )

    async def _history(self, request: Request, number: int) -> dict[str, Any]:
        try:
            found = await self._views.visits(number, before=request.query_params.get("before"), limit=EVENTS)
        except ValueError as error:
            raise BadQuery(str(error)) from None
        visits, following = whole_visits(found.rows, more=found.more)
        return {"visits": visits, "next": following and Typed(following)}

    async def _number(self, request: Request) -> int:
        ref = parse_ref(ref_in(request), self._parts.settings)
        holder = f"c{ref.id}" if ref.id else (await self._views.holders([ref]))[ref.kind, ref.value]
        if holder is None:
            raise NotFound("There is no such contact.")
        return parse_ref(f"id:{holder}").id

    async def _refused(self, rows: Sequence[Mapping[str, Any]], own: str) -> list[dict[str, Any]]:
        """Refused links, with whose the other identifier is now."""
        ends = [end for row in rows for end in (row["a"], row["b"]) if end is not None and end["value"] is not None]
        holders = await self._views.holders([Ref(end["kind"], end["value"]) for end in ends])
        shown = []
        for row in rows:
            theirs = {holders.get((end["kind"], end["value"])) for end in (row["a"], row["b"]) if end is not None}
            others = sorted(theirs - {own, None})  # type: ignore[type-var] # None was taken out
            pair = pair_handle(row) if row["a"] and row["b"] else ""
            shown.append(dict(row) | {"other": others[0] if others else None, "pair": pair})
        return shown


def _done(request: Request) -> str:
    done = request.query_params.get("done", "")
    return done if done in DONE else ""


def _identifier(one: Mapping[str, Any]) -> dict[str, Any]:
    extra = {"state": one.get("state", ""), "shared_from": one.get("shared_from"), "shared_with": one.get("shared_contact_id")}
    box = CHOSEN + handle(one) if one["value"] is not None else ""
    return dict(one) | extra | {"box": box, "known": is_known(one["kind"])}


def _traits(details: Mapping[str, Any], now: float) -> list[dict[str, Any]]:
    return [
        dict(said) | {"name": name, "value": plain(said["value"]), "age": max(0.0, now - to_microseconds(said["at"]) / 1e6)}
        for name, said in sorted(details.items())
    ]


def _place(what: Sequence[str], count: int, last: int) -> dict[str, Any]:
    country, city = what
    return {"country": country, "city": city, "count": count, "last": to_iso(last)}


def _device(what: Sequence[str], count: int, last: int) -> dict[str, Any]:
    type_, browser, system = what
    return {"type": type_, "named": [name for name in (browser, system) if name], "count": count, "last": to_iso(last)}


def _columns(days: Sequence[tuple[int, int]]) -> list[list[int]]:
    """A point for each day from the first to the last, so that a silence lies on the ground."""
    counts = dict[int, int](days)
    if not counts:
        return [[], []]
    last = max(counts)
    every = range(max(min(counts) - 1, last - SHOWN_DAYS), last + 2)
    return [[day * _DAY_SECONDS for day in every], [counts.get(day, 0) for day in every]]
