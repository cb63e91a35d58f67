"""The ``tropa demo`` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tropa_collector.settings import load

if TYPE_CHECKING:
    from tropa_collector.demo.addresses import Addresses

_DATA = Path("tropa-demo-data")
_PORT = click.IntRange(0, 65535)


def register(cli: click.Group) -> None:
    cli.add_command(demo)


@click.command()
@click.option("--port", type=_PORT, default=8000, show_default=True, help="Of the collector.")
@click.option("--admin-port", type=_PORT, default=8001, show_default=True, help="Of its admin API.")
@click.option("--shop-port", type=_PORT, default=8002, show_default=True, help="Of the shop.")
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), default=_DATA, show_default=True, help="The data directory."
)
@click.option("--traffic", is_flag=True, help="Play visitors: the past days within a minute or two, then on and on.")
@click.option("--days", type=click.IntRange(0, 6), default=2, show_default=True, help="How many past days are played.")
@click.option("--visits", type=click.IntRange(1, 5_000), default=800, show_default=True, help="A day.")
@click.option("--speed", type=click.FloatRange(1, 500), default=5, show_default=True, help="Of the visits that follow: 1 is life.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same visitors.")
def demo(  # noqa: PLR0913 - the command's options
    *, port: int, admin_port: int, shop_port: int, data: Path, traffic: bool, days: int, visits: int, speed: float, seed: int
) -> None:
    """Run a collector and a small shop on this machine alone."""
    from tropa_collector import logs  # noqa: PLC0415 - heavy, and of this command alone
    from tropa_collector.demo.run import demo_settings, run  # noqa: PLC0415
    from tropa_collector.demo.traffic.player import Pace, Traffic  # noqa: PLC0415

    settings = demo_settings(load({"port": port, "admin_port": admin_port, "data": data}))
    logs.configure(settings.log_format)
    player = Traffic(Pace(days, visits, speed, seed), click.echo) if traffic else None
    sys.exit(run(settings, shop_port, player, lambda addresses: _greet(addresses, data, traffic=traffic)))


def _greet(at: Addresses, data: Path, *, traffic: bool) -> None:
    """What to open, and what to try next."""
    tropa, where = _this_command(), f" --data {data}"
    click.echo(
        f"""
  Open
    the shop        {at.shop}/
    the console     {at.console}
                    (works once, within a quarter of an hour; after that {at.admin}/ and the token)
    admin token     {at.admin_token}
    browser key     {at.browser.write_key}
    server key      {at.server.write_key}   of the collector on {at.collector}

  Try next
    1. In the shop: look at a tea, put it into the cart, subscribe, sign up, order, log out.
       "Your trail" at the top shows what your browser says; "Order Completed" comes from the shop's server.
    2. What arrived:      curl -s "{at.admin}/api/v1/events?limit=3" -H "Authorization: Bearer {at.admin_token}"
    3. Who you are now:   {tropa} contacts show email:YOUR@ADDRESS{where}
       and why:           {tropa} contacts why email:YOUR@ADDRESS{where}"""
    )
    if traffic:
        click.echo(f"    4. What was refused:  {tropa} quarantine list{where}")
    else:
        click.echo("    4. More visitors:     stop this, and start it again with --traffic")
    click.echo("\n  Ctrl-C stops everything.\n")


def _this_command() -> str:
    """As it was called, so that what is printed can be pasted: the environment need not be active."""
    called = sys.argv[0]
    return called if called.endswith("tropa") else "tropa"
