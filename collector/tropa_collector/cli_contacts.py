"""``tropa contacts show|why|merge|split|relink|lift|rebuild|blocked``: who is who, from the command line.

Reading asks the store's file, also while a collector writes to it. What changes something goes through the admin API while a
collector holds the data directory, and open the store themselves otherwise.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from tropa_collector import cli_options
from tropa_collector.errors import StoreError
from tropa_collector.settings import Settings, load

if TYPE_CHECKING:  # heavy, and of these commands alone
    from tropa_collector.store.opened import Contacts
    from tropa_collector.store.protocol import Operation, Ref

_ACTOR = click.option("--actor", default=getpass.getuser, show_default="you", help="Who does it: kept in the ledger.")
_REASON = click.option("--reason", required=True, help="Why: kept in the ledger.")
_JSON = click.option("--json", "as_json", is_flag=True, help="The admin API's answer as it is.")


def register(cli: click.Group) -> None:
    """Add the commands to ``tropa contacts``."""
    contacts = cli.commands.get("contacts")
    if not isinstance(contacts, click.Group):
        contacts = click.Group("contacts", help="People: who is behind which identifiers.")
        cli.add_command(contacts)
    for command in (show, why, merge, split, relink, lift, rebuild, blocked):
        contacts.add_command(command)


@click.command()
@click.argument("ref")
@click.option("--events", type=click.IntRange(0, 1_000), default=10, show_default=True, help="How many of the newest to list.")
@cli_options.data
@_JSON
def show(ref: str, data: Path | None, *, events: int, as_json: bool) -> None:
    """Show a contact. REF is kind:value (email:anna@example.com, user_id:42) or id:c12."""
    settings = load({"data": data})
    contact, timeline = asyncio.run(_look_up(settings, _parsed(ref, settings), events))
    _say({**contact, "events": timeline} if as_json else _contact_lines(contact, timeline))


@click.command()
@click.argument("ref")
@click.option("--a", metavar="REF", help="With --b: only what links this identifier …")
@click.option("--b", metavar="REF", help="… to this one.")
@cli_options.data
@_JSON
def why(ref: str, a: str | None, b: str | None, data: Path | None, *, as_json: bool) -> None:
    """Why is REF one contact? Evidence, history, refused links."""
    settings = load({"data": data})
    if (a is None) != (b is None):
        raise click.UsageError("Name both --a and --b, or neither.")
    pair = None if a is None or b is None else (_parsed(a, settings), _parsed(b, settings))
    found = asyncio.run(_explain(settings, _parsed(ref, settings), pair))
    _say(found if as_json else _why_lines(found))


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--preview", is_flag=True, help="Only show what would join and which traits would win.")
@click.option("--reason", help="Why: kept in the ledger. Needed unless it is a preview.")
@_ACTOR
@cli_options.data
@cli_options.admin
@cli_options.token
def merge(first: str, second: str, *, preview: bool, reason: str | None, actor: str, **where: Any) -> None:
    """Make one contact of FIRST and SECOND, past every limit."""
    if not preview and not reason:
        raise click.UsageError("Say why: --reason.")
    settings, body = load({"data": where["data"]}), {"a": first, "b": second, "actor": actor, "reason": reason}
    refs = {"first": tuple(_parsed(first, settings)), "second": tuple(_parsed(second, settings))}
    if preview:
        found = _operate(settings, where, "/api/v1/contacts/merge?preview=1", body, "preview_merge", refs)
        _say(_preview_lines(found))
        return
    asked = {**refs, "actor": actor, "reason": reason}
    done = _operate(settings, where, "/api/v1/contacts/merge", body, "merge_contacts", asked)
    click.echo(
        f"{done['merged_id']} is now {done['contact_id']}. To undo it: tropa contacts split id:{done['contact_id']}", nl=False
    )
    click.echo(f" --merge {done['merge_id']}")


@click.command()
@click.argument("ref")
@click.option("--merge", "merge_id", type=int, help="Undo this merge (`tropa contacts why` numbers them).")
@click.option("--identifier", "identifiers", multiple=True, metavar="REF", help="Take this one out; may be repeated.")
@click.option("--reason", default="split", show_default=True, help="Why: kept in the ledger.")
@_ACTOR
@cli_options.data
@cli_options.admin
@cli_options.token
def split(ref: str, merge_id: int | None, identifiers: tuple[str, ...], *, reason: str, actor: str, **where: Any) -> None:
    """Take a merge, or identifiers, out of the contact REF again."""
    if (merge_id is None) == (not identifiers):
        raise click.UsageError("Give --merge or --identifier.")
    settings = load({"data": where["data"]})
    chosen = [tuple(_parsed(one, settings)) for one in identifiers]
    asked = {"ref": tuple(_parsed(ref, settings)), "merge_id": merge_id, "identifiers": chosen, "actor": actor, "reason": reason}
    what = {"merge_id": merge_id} if merge_id is not None else {"identifiers": list(identifiers)}
    path = f"/api/v1/contacts/{quote(ref, safe=':')}/split"
    done = _operate(settings, where, path, {**what, "actor": actor, "reason": reason}, "split_contact", asked)
    for part in done["split"]:
        click.echo(f"{part['contact_id']} now has {', '.join(map(_name, part['identifiers']))}")


@click.command()
@click.argument("a")
@click.argument("b")
@_REASON
@_ACTOR
@cli_options.data
@cli_options.admin
@cli_options.token
def relink(a: str, b: str, **said: Any) -> None:
    """Take back a split: A and B may be linked again."""
    done = _correct("relink", "relink_identifiers", {"a": ("first", a), "b": ("second", b)}, said)
    click.echo(f"{' and '.join(done['contact_ids'])}: {'one contact' if done['together'] else 'two, which may meet again'}")


@click.command()
@click.argument("ref")
@_REASON
@_ACTOR
@cli_options.data
@cli_options.admin
@cli_options.token
def lift(ref: str, **said: Any) -> None:
    """End the quarantine of the identifier REF: it may join again."""
    done = _correct("lift", "lift_quarantine", {"identifier": ("identifier", ref)}, said)
    click.echo(f"{_name(done['identifier'])} of {done['contact_id']} may join again")


@click.command()
@click.argument("ref")
@_REASON
@_ACTOR
@cli_options.data
@cli_options.admin
@cli_options.token
def rebuild(ref: str, **said: Any) -> None:
    """Conclude again, by the rules of now, what REF's evidence says."""
    done = _correct("rebuild", "rebuild_contact", {"contact": ("contact", ref)}, said)
    click.echo(f"The evidence makes {', '.join(done['contact_ids'])}")


@click.command()
@cli_options.data
@_JSON
def blocked(data: Path | None, *, as_json: bool) -> None:
    """What is stored that blocked_values or no_merge_values name.

    A rule holds for what comes; what was joined before stays joined until it is taken out. Each line says how.
    """
    settings = load({"data": data})
    found = asyncio.run(_ruled(settings))
    _say({"identifiers": found} if as_json else _ruled_lines(found))


# -- asking


def _parsed(text: str, settings: Settings) -> Ref:
    from tropa_collector.admin.refs import parse_ref  # noqa: PLC0415

    return parse_ref(text, settings)


def _contacts(settings: Settings) -> Contacts:
    from tropa_collector.store.opened import store_of  # noqa: PLC0415
    from tropa_collector.store.sqlite.file import FILE_NAME  # noqa: PLC0415

    if settings.store == "sqlite" and not (settings.data / FILE_NAME).is_file():
        raise StoreError(f"There is no store in {settings.data}.")
    return store_of(settings).contacts


async def _look_up(settings: Settings, ref: Ref, events: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    contacts = _contacts(settings)
    try:
        contact = _present(await contacts.contact(ref))
        page = await contacts.timeline(ref, limit=events) if events else None
    finally:
        await contacts.stop()
    return contact, page.rows if page is not None else []


async def _explain(settings: Settings, ref: Ref, pair: tuple[Ref, Ref] | None) -> dict[str, Any]:
    contacts = _contacts(settings)
    try:
        return _present(await contacts.why(ref, pair))
    finally:
        await contacts.stop()


async def _ruled(settings: Settings) -> list[dict[str, Any]]:
    from tropa_collector.identity_rules import blocked_by  # noqa: PLC0415

    contacts = _contacts(settings)
    try:
        return await contacts.ruled(blocked_by(settings))
    finally:
        await contacts.stop()


def _present(found: dict[str, Any] | None) -> dict[str, Any]:
    if found is None:
        raise StoreError("There is no such contact.")
    return found


def _correct(path: str, name: str, refs: dict[str, tuple[str, str]], said: dict[str, Any]) -> dict[str, Any]:
    """``refs``: of each field of the API's body the operation's argument and the reference given for it."""
    settings, stated = load({"data": said["data"]}), {"actor": said["actor"], "reason": said["reason"]}
    body = {field: ref for field, (_, ref) in refs.items()} | stated
    asked = {argument: tuple(_parsed(ref, settings)) for argument, ref in refs.values()} | stated
    return _operate(settings, said, f"/api/v1/contacts/{path}", body, name, asked)


def _operate(  # noqa: PLR0913, PLR0917 - the same question in both its forms
    settings: Settings, where: dict[str, Any], path: str, body: dict[str, Any], name: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    from tropa_collector.store.protocol import Operation  # noqa: PLC0415
    from tropa_collector.transfer.admin_client import admin_api  # noqa: PLC0415
    from tropa_collector.transfer.offline import is_served  # noqa: PLC0415

    if is_served(settings):
        return dict(admin_api(settings, where["admin_url"], where["token"]).ask("POST", path, body))
    _contacts(settings)
    return asyncio.run(_operate_offline(settings, Operation(name, arguments)))


async def _operate_offline(settings: Settings, operation: Operation) -> dict[str, Any]:
    from tropa_collector.store.opened import store_of  # noqa: PLC0415

    log = store_of(settings).log
    await log.start()
    try:
        return dict(await log.operate(operation))
    finally:
        await log.stop(seconds=settings.drain_seconds)


# -- showing


def _say(found: dict[str, Any] | Iterator[str]) -> None:
    if isinstance(found, dict):
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for line in found:
        click.echo(line)


def _name(identifier: dict[str, str] | None) -> str:
    return f"{identifier['kind']}:{identifier['value']}" if identifier else "-"


def _contact_lines(contact: dict[str, Any], events: list[dict[str, Any]]) -> Iterator[str]:
    count = f"{contact['events_count']} event{'' if contact['events_count'] == 1 else 's'}"
    yield f"{contact['id']}  seen {contact['first_seen_at']} to {contact['last_seen_at']}, {count}"
    for row in contact["identifiers"]:
        shared = f", shared from {row['shared_from']}" if "shared_from" in row else ""
        state = f", {row['state'].replace('_', ' ')}" if "state" in row else ""
        yield f"  {_name(row):50} {row['trust']:8} {row['source'] or '-':12} since {row['first_seen_at']}{shared}{state}"
    for name, trait in contact["trait_details"].items():
        value = json.dumps(trait["value"], ensure_ascii=False)
        yield f"  {name} = {value}   ({trait['trust']}, {trait['source']}, {trait['at']})"
    for title, name in (("first came", "first_touch"), ("last came", "last_touch")):
        touch = contact[name]
        if touch:
            campaign = touch["campaign"] or touch["click_ids"] or {}
            by = ", ".join(f"{key} {value}" for key, value in campaign.items()) or touch["referrer_host"]
            yield f"  {title} by {by}, {touch['at']}"
    if contact["merged_ids"]:
        yield f"  merged: {', '.join(contact['merged_ids'])}"
    for event in events:
        yield f"  {event['timestamp']}  {event['type']:9} {event.get('event') or event.get('name') or '':30} {event['source']}"


def _why_lines(found: dict[str, Any]) -> Iterator[str]:
    links = found["links"]
    if links:
        yield f"{found['contact_id']} is one contact because:"
    elif len(found.get("identifiers", ())) == 1:
        yield f"{found['contact_id']} has one identifier: nothing had to be linked."
    else:
        yield f"Nothing links them in {found['contact_id']}."
    for link in links:
        yield f"  {link['sentence']}"
    for line in found.get("ledger", ()):
        number = f"merge {line['merge_id']}" if "merge_id" in line else line["change"]
        other = f" from {line['other_contact_id']}" if line["other_contact_id"] else ""
        reason = f": {line['reason']}" if line["reason"] else ""
        cause = f", event {line['messageId']}" if line["messageId"] else ""
        yield f"  {line['at']}  {number:12} {_name(line['a'])} {_name(line['b'])}{other}{cause}, by {line['actor']}{reason}"
    for line in found.get("refused", ()):
        yield f"  refused: {_name(line['a'])} and {_name(line['b'])}, {line['reason']} (event {line['messageId']})"


def _ruled_lines(found: list[dict[str, Any]]) -> Iterator[str]:
    for row in found:
        ref = shlex.quote(_name(row))
        yield f"{row['contact_id']}  {_name(row)}, {row['action']}: tropa contacts split id:{row['contact_id']} --identifier {ref}"
    yield f"{len(found)} identifiers that the rules name are in a contact with others."


def _preview_lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['merged_id']} would become {found['contact_id']}:"
    for contact, identifiers in found["identifiers"].items():
        yield f"  {contact}: {', '.join(map(_name, identifiers))}"
    for name, value in found["traits"].items():
        yield f"  {name} = {json.dumps(value, ensure_ascii=False)}"
    for lost in found["overruled"]:
        said, instead = (json.dumps(lost[key], ensure_ascii=False) for key in ("value", "instead"))
        yield f"  {lost['contact_id']}'s {lost['trait']} {said} gives way to {instead}"
