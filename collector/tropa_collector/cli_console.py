"""The link that signs in to the console: printed by whoever begins to listen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import click

from tropa_collector.settings import Settings


class Inviting(Protocol):
    """A process with a console of its own."""

    def sign_in_link(self) -> str: ...


def announcement(process: Inviting, settings: Settings) -> Callable[[], None] | None:
    """What prints it. Lines of JSON go to a machine that keeps them: no place for a link that signs in."""
    return (
        (lambda: click.echo(f"Console (this link signs in once): {process.sign_in_link()}"))
        if settings.log_format == "text"
        else None
    )
