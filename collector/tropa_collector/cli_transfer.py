"""``tropa import``, ``tropa export`` and the commands of one person's rights."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import quote, urlencode

import click

from tropa_collector import cli_options
from tropa_collector.settings import Settings, load

if TYPE_CHECKING:  # heavy, and of their commands alone
    from tropa_collector.transfer.importing import Job
    from tropa_collector.transfer.report import Report


def register(cli: click.Group) -> None:
    """Add the commands to ``tropa``."""
    for command in (import_, export):
        cli.add_command(command)
    contacts = cli.commands.get("contacts")
    if not isinstance(contacts, click.Group):
        contacts = click.Group("contacts", help="People: who is behind which identifiers.")
        cli.add_command(contacts)
    for command in (contacts_export, contacts_erase):
        contacts.add_command(command)


@click.command("import")
@cli_options.data
@cli_options.admin
@cli_options.token
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--map", "entries", multiple=True, metavar="TARGET=COLUMN", help="user_id, email, phone, ext.NAME, trait.NAME …")
@click.option("--time-column", help="When each row was true; without it, the time of the file.")
@click.option("--region", metavar="RU", help="Country of phones without one; default: the setting default_country.")
@click.option("--encoding", help="Of the file; default: found out.")
@click.option("--delimiter", help="Between columns; default: found out.")
@click.option("--dry-run", is_flag=True, help="Only report what would become of each value.")
def import_(file: Path, data: Path | None, admin_url: str, token: str | None, *, dry_run: bool, **how: Any) -> None:
    """Import customers from a CSV or JSON Lines FILE.

    Run it with --dry-run first. An import that was stopped goes on where it stopped; one that is repeated changes nothing.
    """
    from tropa_collector.transfer.lists import key_counter_of  # noqa: PLC0415
    from tropa_collector.transfer.report import Report  # noqa: PLC0415

    settings = load({"data": data})
    job = _job(file, settings, **how)
    stored = key_counter_of(settings)
    report = Report(stored[0] if stored else None) if dry_run else Report()
    try:
        if dry_run:
            _dry_run(job, report)
        else:
            _import(job, report, settings, admin_url, token)
        for line in report.lines(name for name in job.found.columns if name not in job.columns.used):
            click.echo(line)
    finally:
        if stored:
            stored[1]()


def _job(  # noqa: PLR0913 - the flags of the command
    file: Path,
    settings: Settings,
    *,
    entries: tuple[str, ...],
    time_column: str | None,
    region: str | None,
    encoding: str | None,
    delimiter: str | None,
) -> Job:
    from tropa_collector.transfer.customers import survey  # noqa: PLC0415
    from tropa_collector.transfer.importing import Job  # noqa: PLC0415
    from tropa_collector.transfer.imports import import_scope  # noqa: PLC0415
    from tropa_collector.transfer.mapping import read_columns  # noqa: PLC0415

    found = survey(file, encoding=encoding, delimiter=delimiter)
    columns = read_columns(entries, time_column, found.columns)
    return Job(file, found, columns, import_scope(settings, region and region.upper()), file.stat().st_mtime_ns // 1_000)


@contextmanager
def _progress(length: int, label: str) -> Iterator[Callable[[int], None]]:
    with click.progressbar(length=length, label=label) as bar:
        yield lambda reached: bar.update(reached - bar.pos)


def _dry_run(job: Job, report: Report) -> None:
    from tropa_collector.transfer.importing import Rejects  # noqa: PLC0415

    with _progress(job.found.size, "reading") as at_byte, Rejects(None, job.found) as rejects:
        for _ in job.customers(report, rejects, at_byte):
            pass
    click.echo("Nothing was imported: this was a dry run.")


def _import(job: Job, report: Report, settings: Settings, admin_url: str, token: str | None) -> None:
    from tropa_collector.transfer import importing, offline  # noqa: PLC0415
    from tropa_collector.transfer.admin_client import admin_api  # noqa: PLC0415

    checkpoint = importing.Checkpoint(settings.data, job.import_id)
    rejects_path = job.path.with_name(job.path.name + ".rejects.csv")
    if checkpoint.rows:
        click.echo(f"Going on after row {checkpoint.rows}; the report is of the rest.")
    else:
        rejects_path.unlink(missing_ok=True)  # of an earlier import
    with _progress(job.found.size, "importing") as at_byte, importing.Rejects(rejects_path, job.found) as rejects:
        if offline.is_served(settings):
            send = importing.over_admin(admin_api(settings, admin_url, token), job.scope.default_region)
            rows = importing.ADMIN_BATCH_ROWS
            total = asyncio.run(importing.run(job, send, report, rejects, checkpoint, at_byte=at_byte, batch_rows=rows))
        else:
            total = asyncio.run(importing.run_offline(settings, job, report, rejects, checkpoint, at_byte=at_byte))
    click.echo(f"import {job.import_id}: {total.stored} stored, {total.duplicates} imported before")
    if report.rejected:
        click.echo(f"rows that could not be imported, with their reasons: {rejects_path}")


@click.command("export")
@cli_options.data
@click.argument("ref")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file that does not exist yet; default: the screen.")
def contacts_export(data: Path | None, ref: str, out: Path | None) -> None:
    """Everything that is held about one person, as JSON. REF is kind:value, such as email:anna@example.com, or id:c12."""
    from tropa_collector.admin.refs import spelt  # noqa: PLC0415
    from tropa_collector.store.opened import store_of  # noqa: PLC0415
    from tropa_collector.transfer.rights import rights_of  # noqa: PLC0415

    settings = load({"data": data})
    person = asyncio.run(rights_of(settings, store_of(settings).log).export(spelt(ref, settings)))
    text = json.dumps(person, ensure_ascii=False, indent=2)
    if out is None:
        click.echo(text)
        return
    with private_file(out) as file:
        file.write(text + "\n")
    click.echo(f"{out}: {len(person['events'])} events, {len(person['identifiers'])} identifiers")


@click.command("erase")
@cli_options.data
@cli_options.admin
@cli_options.token
@click.argument("ref")
@click.option("--reason", default="", help="Kept in the ledger: write nobody's data into it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def contacts_erase(data: Path | None, admin_url: str, token: str | None, ref: str, *, reason: str, yes: bool) -> None:  # noqa: PLR0913 - the flags of the command
    """Erase one person for good. REF is kind:value, such as email:anna@example.com, or id:c12.

    Events become empty shells; traits, quarantined originals and identifiers go; the identifiers stay refused. What was
    exported, forwarded or backed up elsewhere is not reached.
    """
    from tropa_collector.admin.refs import spelt  # noqa: PLC0415
    from tropa_collector.transfer import offline  # noqa: PLC0415
    from tropa_collector.transfer.admin_client import admin_api  # noqa: PLC0415
    from tropa_collector.transfer.rights import erase_offline  # noqa: PLC0415

    settings = load({"data": data})
    if not yes:
        click.confirm("This cannot be undone. Erase this person?", abort=True)
    if offline.is_served(settings):
        query = urlencode({"reason": reason, "actor": "tropa contacts erase"})
        path = f"/api/v1/contacts/{quote(ref, safe='')}?{query}"
        done = admin_api(settings, admin_url, token).ask("DELETE", path)
    else:
        done = asyncio.run(erase_offline(settings, spelt(ref, settings), actor="tropa contacts erase", reason=reason))
    click.echo(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in done.items()))
    if done["left_over"]:
        raise click.ClickException(
            "A file of the data directory still holds an identifier. Stop what reads the store, and ask again."
        )


@click.command("export")
@cli_options.data
@click.argument("what", type=click.Choice(["contacts", "events"]))
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "excel", "jsonl"]),
    default="csv",
    show_default=True,
    help="excel: CSV for Excel of a country that writes 1,5.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file that does not exist yet; default: the screen.")
@click.option("--since", help="Received since this time, such as 2026-11-21 or 2026-11-21T20:31:35Z; with --did, done since then.")
@click.option("--did", help="Contacts who did this: the name of a track event.")
@click.option("--not-did", help="Contacts who did not do this.")
@click.option("--type", "type_", help="Events of this type.")
@click.option("--event", help="Events of this name.")
def export(data: Path | None, what: str, form: str, out: Path | None, **asked: str | None) -> None:
    """Write all contacts or events as CSV or JSON Lines. A cell of CSV never begins as a formula would."""
    from tropa_collector.transfer import export as exporting  # noqa: PLC0415

    rows = exporting.rows(load({"data": data}), what, exporting.Wanted(**asked))
    write = exporting.FORMATS[form]
    if out is None:
        write(rows, sys.stdout)
        return
    shown = click.progressbar(rows.rows, label=what, show_pos=True, update_min_steps=500, file=sys.stderr)
    with private_file(out) as file, shown as counted:
        number = write(exporting.Table(rows.columns, iter(counted)), file)
    click.echo(f"{out}: {number} {what}")


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """A new file that only its owner reads: it holds people's data."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise click.ClickException(f"{path} exists. Name a new file.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        yield file
