"""``tropa work``."""

from __future__ import annotations

import sys
from typing import Any

import click

from tropa_collector import cli_options
from tropa_collector.cli_console import announcement
from tropa_collector.settings import load


def register(cli: click.Group) -> None:
    """Add the command to ``tropa``."""
    cli.add_command(work)


@click.command()
@click.option("--log", help="kafka://host:port,host:port/topic: where the events wait.")
@click.option("--store", help="postgresql://…: where they go; default: the embedded store, for one worker.")
@click.option("--admin-host", help="Of the admin listener.")
@click.option("--admin-port", type=int, help="Of the admin listener.")
@cli_options.data
def work(**flags: Any) -> None:
    """Take events from the log into the store. Any number of workers share the work."""
    import uvloop  # noqa: PLC0415 - heavy, and of this command alone

    from tropa_collector import logs  # noqa: PLC0415
    from tropa_collector.work import Work  # noqa: PLC0415
    from tropa_collector.work import work as run  # noqa: PLC0415

    settings = load(flags)
    logs.configure(settings.log_format)
    process = Work(settings)
    if process.credentials.made_admin_token:
        click.echo(f"First start: admin token {process.credentials.made_admin_token}   (shown this once)")
    sys.exit(uvloop.run(run(process, announce=announcement(process, settings))))
