"""The ``tropa`` command."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click

from tropa_collector import cli_console, cli_contacts, cli_demo, cli_forward, cli_options, cli_snippet, cli_transfer, cli_work
from tropa_collector.cli_progress import progress
from tropa_collector.errors import TropaError
from tropa_collector.settings import load

_EXTRAS = {"confluent_kafka": "kafka", "asyncpg": "postgres", "pyarrow": "parquet"}  # by what they bring


class _Group(click.Group):
    """Errors that Tropa raises on purpose are shown as what they are: a sentence for the operator."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TropaError as error:
            click.echo(f"tropa: {error}", err=True)
            ctx.exit(2)
        except ModuleNotFoundError as error:
            extra = _EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            click.echo(f"tropa: {error.name} is missing. Run: pip install 'tropa[collector,{extra}]'", err=True)
            ctx.exit(2)
        except OSError as error:  # a folder that cannot be written, a file of another user
            if error.filename is None:
                raise
            click.echo(f"tropa: {error.filename}: {error.strerror}", err=True)
            ctx.exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tropa")
def cli() -> None:
    """Tropa: event collection a shop can own."""


@cli.command()
@click.option("--host", help="Of the public listener.")
@click.option("--port", type=int, help="Of the public listener.")
@click.option("--admin-host", help="Of the admin listener.")
@click.option("--admin-port", type=int, help="Of the admin listener.")
@click.option("--store", help="postgresql://user@host/database: one that collectors share; default: a file in --data.")
@click.option("--log", help="kafka://host:port,…/topic: answer once the log has the events; `tropa work` stores them.")
@cli_options.data
def serve(**flags: Any) -> None:
    """Run the collector."""
    import uvloop  # noqa: PLC0415 - heavy, and of this command alone

    from tropa_collector import app, logs  # noqa: PLC0415

    settings = load(flags)
    logs.configure(settings.log_format)
    if settings.log is not None:
        from tropa_collector.stateless import StatelessCollector  # noqa: PLC0415

        stateless = StatelessCollector(settings)
        if stateless.credentials.made:
            _show_credentials(stateless)
        sys.exit(uvloop.run(app.serve(stateless)))
    collector = app.Collector(settings)
    if collector.credentials.made:
        _show_credentials(collector)
    sys.exit(uvloop.run(app.serve(collector, announce=cli_console.announcement(collector, settings))))


def _show_credentials(collector: Any) -> None:
    """Keys and token are shown once, when they are made."""
    credentials, settings = collector.credentials, collector.settings
    click.echo(f"\nFirst start: keys were made and are kept in {settings.data / 'keys.toml'}.\n")
    for source in credentials.ring.sources:
        click.echo(f"  {source.kind + ' key':12} {source.write_key}")
    if credentials.made_admin_token:
        click.echo(f"  {'admin token':12} {credentials.made_admin_token}   (shown this once)")
    click.echo("")
    cli_snippet.show(credentials.ring.sources, f"http://localhost:{settings.port}")


@cli.command()
@cli_options.data
@click.option("--show", is_flag=True, help="Print whole keys.")
@click.option(
    "--url",
    callback=cli_snippet.checked_address,
    help="Where browsers reach the collector, for the snippets.  [default: http://localhost:<port>]",
)
def keys(data: Path | None, url: str | None, *, show: bool) -> None:
    """List the sources and their keys, and what a page pastes."""
    from tropa_collector.receive.keys import key_ring  # noqa: PLC0415

    settings = load({"data": data})
    sources = key_ring(settings).sources
    if not sources:
        click.echo("No keys yet: `tropa serve` makes them at its first start, or set TROPA_WRITE_KEYS.")
    for source in sources:
        key = source.write_key if show else source.write_key[:6] + "…"
        signed = "  signs identities" if source.signing_secret else ""
        click.echo(f"{source.name:20} {source.kind:8} {key}{signed}")
    cli_snippet.show(sources, url or f"http://localhost:{settings.port}")


@cli.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("schemas"), show_default=True)
@click.option("--check", is_flag=True, help="Write nothing; fail when a file is stale.")
def schemas(out: Path, *, check: bool) -> None:
    """Write the JSON Schemas of an event and of a batch."""
    from tropa_collector.events.schemas import documents  # noqa: PLC0415

    stale = []
    for name, text in documents().items():
        path = out / name
        if not path.is_file() or path.read_text("utf-8") != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")
    if check and stale:
        raise click.ClickException(f"stale: {', '.join(stale)}. Run `tropa schemas`.")
    click.echo(f"{len(documents())} schemas in {out}, {len(stale)} {'stale' if check else 'written'}")


@cli.group()
def quarantine() -> None:
    """Events that were refused, with their reasons."""


@quarantine.command("list")
@cli_options.data
@click.option("--code", help="Only those refused for this reason.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, originals included.")
def quarantine_list(data: Path | None, code: str | None, limit: int, *, as_json: bool) -> None:
    """Show the newest."""
    from tropa_collector.logs import escaped  # noqa: PLC0415
    from tropa_collector.transfer.offline import quarantined  # noqa: PLC0415

    rows = asyncio.run(quarantined(load({"data": data}), code=code, limit=limit))
    for row in rows:
        if as_json:
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            line = f"{row['id']:>8}  {row['received_at']}  {row['source']:12} {row['code']:20} {row['path']:28} {row['message']}"
            click.echo(escaped(line))  # path and message hold what a stranger sent
    if not rows and not as_json:
        click.echo("Quarantine is empty." if code is None else f"Nothing in quarantine was refused as {code!r}.")


@quarantine.command("replay")
@cli_options.data
@click.option("--code", help="Only those refused for this reason.")
@click.option("--id", "ids", type=int, multiple=True, help="Only these.")
@cli_options.admin
@cli_options.token
def quarantine_replay(data: Path | None, code: str | None, ids: tuple[int, ...], admin_url: str, token: str | None) -> None:
    """Feed them through the stages again, after the cause was fixed."""
    from tropa_collector.transfer import offline  # noqa: PLC0415
    from tropa_collector.transfer.admin_client import admin_api  # noqa: PLC0415

    settings = load({"data": data})
    if offline.is_served(settings):
        asked = {"code": code, "ids": list(ids) or None}
        counts = admin_api(settings, admin_url, token).ask("POST", "/api/v1/quarantine/replay", asked)
    else:
        counts = asyncio.run(offline.replay_offline(settings, code=code, ids=ids))
    click.echo(", ".join(f"{number} {name}" for name, number in counts.items()))
    if counts["skipped"]:
        click.echo("Skipped: their source is not in write_keys now, or their batch had a value that no store takes.", err=True)


@cli.command()
@cli_options.data
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
def backup(data: Path | None, target: Path) -> None:
    """Copy the store into one file, also while the collector runs."""
    from tropa_collector.transfer.backup import backup as run  # noqa: PLC0415

    settings = load({"data": data})
    if settings.store != "sqlite":
        raise click.ClickException("PostgreSQL has its own: pg_dump --format=custom, or an archive of the write-ahead log.")
    with progress("copying") as tell:
        size = run(settings.data, target, tell)
    click.echo(f"{target}: {size / 1e6:.1f} MB, integrity checked")


@cli.command()
@cli_options.data
@click.option("--settings", "list_settings", is_flag=True, help="Only print the table of all settings, in Markdown.")
def doctor(data: Path | None, *, list_settings: bool) -> None:
    """Look at settings, store, geo database, clock and disk."""
    from tropa_collector.doctor import examine  # noqa: PLC0415
    from tropa_collector.settings_table import settings_table  # noqa: PLC0415

    if list_settings:
        click.echo(settings_table(), nl=False)
        return
    findings = examine(load({"data": data}))
    for finding in findings:
        click.echo(f"{'ok ' if finding.good else 'BAD'}  {finding.what:14} {finding.text}")
    sys.exit(0 if all(finding.good for finding in findings) else 1)


cli_contacts.register(cli)
cli_demo.register(cli)
cli_forward.register(cli)
cli_transfer.register(cli)
cli_work.register(cli)
