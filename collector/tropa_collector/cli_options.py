"""Options that commands share, each with one meaning everywhere."""

from __future__ import annotations

from pathlib import Path

import click

data = click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The data directory.")
admin = click.option("--admin", "admin_url", help="Of a collector that is running.  [default: http://<admin_host>:<admin_port>]")
token = click.option("--token", help="Admin token of a collector that is running.  [default: TROPA_ADMIN_TOKEN]")
