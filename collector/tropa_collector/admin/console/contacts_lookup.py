"""Contacts for the pages: the one that an address names, those that a search finds, and what to call them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import orjson
import phonenumbers
from starlette.requests import Request

from tropa_collector.admin import ref_routes
from tropa_collector.admin.console.masking import Typed
from tropa_collector.admin.refs import BadRef, parse_ref
from tropa_collector.errors import NotFound, RequestError
from tropa_collector.events.timestamps import to_microseconds
from tropa_collector.identity.identifiers import INTERNAL_KINDS
from tropa_collector.identity.policy import kind_table
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import ContactQuery, Page, Ref

if TYPE_CHECKING:
    from tropa_collector.admin.api import AdminParts

LISTED = 50
FILTERS: Final = ("q", "did", "not_did", "since")
_ID = re.compile(r"(?:id:)?c[1-9][0-9]{0,17}")
_PHONE = re.compile(r"\+?[\d\s().-]{4,30}")
_LEAST_DIGITS = 4
_KINDS = kind_table()
#: A person reads an email or a phone sooner than a number of the shop's own.
_CALLED = ("email", "phone", "user_id")


class BadQuery(RequestError):
    """A filter that cannot be understood."""

    code = "bad_parameter"


class Lookup:
    """Over the collector's contacts."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts
        self._region = parts.settings.default_country

    async def found(self, request: Request) -> dict[str, Any]:
        """The contact of the address, whole.

        Raises:
            BadRef: the address names none.
            NotFound: there is no such contact.
        """
        return await self.named(ref_routes.ref_in(request))

    async def named(self, text: str) -> dict[str, Any]:
        """The contact of a reference, whole.

        Raises:
            BadRef, NotFound: as for ``found``.
        """
        contact = await self._parts.views.portrait(parse_ref(text, self._parts.settings))
        if contact is None:
            raise NotFound(f"There is no contact {text[:80]}.")
        return contact

    async def listed(self, request: Request) -> dict[str, Any]:
        """What ``contact_rows.html`` shows: contacts for the query of an address, by the day they were last seen.

        ``is_cut``: the search ended before the page was full, because it took long, and goes on behind ``next``.

        Raises:
            BadQuery: a time or a page that there is not.
        """
        asked = {name: request.query_params.get(name, "").strip() for name in FILTERS}
        before = request.query_params.get("before")
        page = await self._page(asked, before)
        kept = {name: value for name, value in asked.items() if value}
        return {
            "contacts": [row_of(row) for row in page.rows],
            "following": page.next and Typed(f"?{urlencode({**kept, 'before': page.next})}"),
            "is_cut": page.next is not None and len(page.rows) < LISTED,
            "is_first": before is None,
            "asked": {name: Typed(value) for name, value in asked.items()},
            "query": Typed(urlencode(kept)),
        }

    async def _page(self, asked: Mapping[str, str], before: str | None) -> Page:
        exact = ref_in(asked["q"], self._parts.settings)
        query = ContactQuery(
            q=asked["q"],
            phone=phone_in(asked["q"], self._region),
            did=asked["did"] or None,
            not_did=asked["not_did"] or None,
            since=_since(asked["since"]),
            before=before,
            limit=LISTED,
        )
        if exact is not None:
            contact = await self._parts.views.portrait(exact)
            return Page([] if contact is None else [_summary(contact)])
        try:
            return await self._parts.contacts.search(query)
        except ValueError as error:
            raise BadQuery(str(error)) from None


def ref_in(typed: str, settings: Settings | None) -> Ref | None:
    """The one contact that is named exactly: ``c12``, ``id:c12``, ``ext.crm:7``."""
    text = f"id:{typed}" if _ID.fullmatch(typed) and not typed.startswith("id:") else typed
    try:
        return parse_ref(text, settings) if ":" in text else None
    except BadRef:
        return None


def phone_in(typed: str, region: str | None) -> str:
    """The beginning of a phone as it is stored, when this may be one; a number may as well be a customer's."""
    if not _PHONE.fullmatch(typed) or sum(map(str.isdigit, typed)) < _LEAST_DIGITS:
        return ""
    try:
        number = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        return ""
    national = str(number.national_number)
    if region and not typed.startswith("+") and not phonenumbers.is_valid_number(number):  # not yet whole: 8 916 is not yet +7 916
        plan = phonenumbers.PhoneMetadata.metadata_for_region(region)
        national = national.removeprefix((plan and plan.national_prefix) or "")
    return f"+{number.country_code}{national}"


def name_of(traits: Mapping[str, Any], identifiers: Iterable[Mapping[str, Any]]) -> str:
    """What to call a contact: its name, else the identifier that it is known by; empty for who is anonymous."""
    parts = [traits["name"]] if isinstance(traits.get("name"), str) else [traits.get(key) for key in ("first_name", "last_name")]
    name = " ".join(part for part in parts if isinstance(part, str)).strip()
    known = {one["kind"]: one["value"] for one in reversed(list(identifiers)) if is_known(one["kind"]) and one["value"]}
    return name or next((known[kind] for kind in (*_CALLED, *known) if kind in known), "")


def is_known(kind: str) -> bool:
    """Does an identifier of this kind say who somebody is, and not only with which device he came?"""
    return _KINDS.has(kind) and _KINDS[kind].known


def head(contact: Mapping[str, Any]) -> dict[str, Any]:
    """What stands above each page of one contact."""
    names = ("id", "status", "first_seen_at", "last_seen_at", "events_count", "complete")
    known = any(is_known(one["kind"]) for one in contact["identifiers"])
    called = name_of(contact["traits"], contact["identifiers"])
    return {name: contact[name] for name in names} | {"name": called, "known": known}


def row_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A contact as a list shows it."""
    known = [one for one in row["identifiers"] if is_known(one["kind"])]
    return {
        "id": row["id"],
        "name": name_of(row["traits"], row["identifiers"]),
        "known": known,
        "others": row["identifiers_count"] - len(known) - sum(one["kind"] in INTERNAL_KINDS for one in row["identifiers"]),
        "first_seen_at": row["first_seen_at"],
        "last_seen_day": f"{row['last_seen_day']}T12:00:00Z",
    }


def plain(value: Any) -> str:
    """A trait's value in a line."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _summary(contact: Mapping[str, Any]) -> dict[str, Any]:
    """A whole contact as ``ContactReader.search`` lists it."""
    identifiers: Sequence[Any] = contact["identifiers"]
    return dict(contact) | {"last_seen_day": contact["last_seen_at"][:10], "identifiers_count": len(identifiers)}


def _since(text: str) -> int | None:
    try:
        return to_microseconds(f"{text}T00:00:00Z" if len(text) == 10 else text) if text else None
    except ValueError:
        raise BadQuery(f"“Since” is a day such as 2026-11-21; it was {text[:40]!r}.") from None
