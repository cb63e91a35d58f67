"""``tropa forward`` and ``tropa destinations``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from tropa_collector import cli_options
from tropa_collector.cli_progress import progress
from tropa_collector.settings import load


def register(cli: click.Group) -> None:
    """Add the commands to ``tropa``."""
    cli.add_command(forward)
    cli.add_command(destinations)


@click.command()
@cli_options.data
@click.argument("destination")
@click.option("--since", required=True, help="Received since this time, such as 2026-11-21 or 2026-11-21T20:31:35Z.")
@click.option("--until", help="Received before this time; default: up to where the destination is.")
def forward(destination: str, data: Path | None, since: str, until: str | None) -> None:
    """Send a stretch of the log to DESTINATION once more.

    It has a cursor of its own and may run beside the collector. One that was stopped goes on where it stopped.
    """
    from tropa_collector.forward.backfill import Span, backfill  # noqa: PLC0415 - heavy, and of this command alone

    with progress(destination) as tell:
        done = asyncio.run(backfill(load({"data": data}), destination, Span.read(since, until), tell))
    figures = done.figures
    click.echo(f"{figures.delivered} delivered, {figures.left_out} left out, {figures.dead_lettered} refused")
    if figures.dead_lettered:
        click.echo(f"It was refused for good: {figures.last_error}\nWhich entries, and why: {done.dead_letters}")


@click.group()
def destinations() -> None:
    """Where events go: lag, pause, resume, what was refused."""


@destinations.command("list")
@cli_options.admin
@cli_options.token
def list_(admin_url: str, token: str | None) -> None:
    """Show every destination with its lag."""
    states = _ask(admin_url, token, "GET", "")["destinations"]
    for state in states:
        known = state["lag_events"] is not None
        lag = f"{state['lag_events']} behind, {state['lag_seconds']:.1f} s" if known else "its lag is not known"
        letters = state.get("dead_letters", 0)
        click.echo(f"{state['name']:20} {state['type']:12} {state['state']:9} {lag:28} {letters} dead letters")
        if state.get("last_error"):
            click.echo(f"{'':20} {state['last_error_at'] or ''} {state['last_error']}".rstrip())
    if not states:
        click.echo("None is declared: [destinations.NAME] in tropa.toml.")


@destinations.command()
@cli_options.admin
@cli_options.token
@click.argument("name")
def pause(name: str, admin_url: str, token: str | None) -> None:
    """Send nothing more to NAME, until it is resumed. The log keeps what it will get."""
    click.echo(_ask(admin_url, token, "POST", f"/{quote(name, safe='')}/pause")["state"])


@destinations.command()
@cli_options.admin
@cli_options.token
@click.argument("name")
def resume(name: str, admin_url: str, token: str | None) -> None:
    """Go on with NAME."""
    click.echo(_ask(admin_url, token, "POST", f"/{quote(name, safe='')}/resume")["state"])


@destinations.command("dead-letters")
@cli_options.admin
@cli_options.token
@click.argument("name")
@click.option("--replay", is_flag=True, help="Send them again.")
def dead_letters(name: str, admin_url: str, token: str | None, *, replay: bool) -> None:
    """Show what NAME refused for good, or send it again."""
    path = f"/{quote(name, safe='')}/dead-letters"
    if replay:
        click.echo(f"{_ask(admin_url, token, 'POST', path + '/replay')['replaying']} are sent again")
        return
    answer = _ask(admin_url, token, "GET", path)
    for letter in answer["dead_letters"]:
        click.echo(f"{letter['position']:>10}  {letter['at']}  {letter['stream']:8} {letter['message_id']:36} {letter['reason']}")
    click.echo(f"{answer['total']} dead letters")


def _ask(admin_url: str, token: str | None, method: str, path: str) -> Any:
    from tropa_collector.transfer.admin_client import admin_api  # noqa: PLC0415

    return admin_api(load(), admin_url, token).ask(method, f"/api/v1/destinations{path}")
