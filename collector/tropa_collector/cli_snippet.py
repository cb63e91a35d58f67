"""What a site pastes, as ``tropa keys`` and the first start print it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tropa_collector.receive.keys import Source


def checked_address(_context: click.Context, _option: click.Parameter, address: str | None) -> str | None:
    """Raises BadParameter: without a scheme the page would look for the script in its own folder."""
    if address is not None and not address.startswith(("https://", "http://")):
        raise click.BadParameter("it begins with https:// or http://, such as https://events.shop.example")
    return address


def show(sources: Iterable[Source], address: str) -> None:
    """The snippet of each browser source, following upgrades and pinned. A browser key is public: pages hold it."""
    from tropa_collector.receive.script import AUTO_PAGES, snippet  # noqa: PLC0415 - brings the web framework

    for source in sources:
        if source.kind == "browser":
            latest, pinned = (snippet(source, address, pinned=fixed, auto=AUTO_PAGES) for fixed in (False, True))
            click.echo(
                f"\nInto the <head> of every page, for {source.name}; it sends page views by itself (data-auto):\n\n{latest}\n"
            )
            click.echo(f"or pinned to these bytes by their hash; paste it anew after an upgrade:\n\n{pinned}\n")
