"""Templates, and what they may use: texts, numbers, addresses of static files. Everything is escaped, nothing is marked safe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tropa_collector.admin.console.masking import masked
from tropa_collector.admin.console.sessions import Session
from tropa_collector.admin.console.words import Words

STATIC = Path(__file__).parent / "static"
_VISIT = "tropa.visit"


@dataclass(frozen=True, slots=True)
class Visit:
    """How a request wants its pages: who, in which language, light or dark ("": as the system is)."""

    session: Session | None
    words: Words
    theme: str

    @property
    def masked(self) -> bool:
        return self.session is not None and self.session.masked


def attend(request: Request, visit: Visit) -> None:
    """Keep the visit with its request."""
    request.scope[_VISIT] = visit


def visit_of(request: Request) -> Visit:
    visit = request.scope[_VISIT]
    assert isinstance(visit, Visit)
    return visit


@cache
def version() -> str:
    """Changes with any static file, so that browsers may keep them for ever."""
    digest = sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def static(path: str) -> str:
    assert (STATIC / path).is_file(), path
    return f"/static/{path}?v={version()}"


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("tropa_collector.admin.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = static
    return made


def shown(request: Request, value: Any) -> Any:
    """A plain value as this visit may see it."""
    return masked(value) if visit_of(request).masked else value


def render(request: Request, template: str, values: Mapping[str, Any], *, status: int = 200) -> Response:
    """A template with plain values."""
    visit = visit_of(request)
    words = visit.words
    text = (
        environment()
        .get_template(template)
        .render(
            shown(request, dict(values)),
            t=words.text,
            words=words,
            visit={
                "language": words.language,
                "theme": visit.theme,
                "masked": visit.masked,
                "signed_in": visit.session is not None,
            },
            path=request.url.path,
        )
    )
    return HTMLResponse(text, status_code=status)
