"""Routes with a contact's reference in them: any text, and so with any slash that the sender writes ``%2F``."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import Scope


class RefRoute(Route):
    """A route whose ``{ref}`` is looked for in the path as it was sent: only there a slash inside it differs from one behind it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        raw: bytes | None = scope.get("raw_path")
        return super().matches(scope if raw is None else {**scope, "path": raw.decode("ascii", "replace")})


def ref_in(request: Request) -> str:
    """What stands for ``{ref}``, decoded."""
    return unquote(str(request.path_params["ref"]))
