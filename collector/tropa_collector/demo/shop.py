"""The shop's pages: one application, on a listener of its own."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tropa.integrations.asgi import TropaMiddleware
from tropa_collector.demo import account, browsing, buying, commerce
from tropa_collector.demo.page import HERE, Handler, Parts, show, with_session
from tropa_collector.demo.sessions import Session

PAGES: tuple[tuple[str, Handler, str], ...] = (
    ("/", browsing.home, "GET"),
    ("/shelves/{slug}", browsing.category, "GET"),
    ("/products/{slug}", browsing.product, "GET"),
    ("/cart", buying.cart, "GET"),
    ("/cart/add", buying.add, "POST"),
    ("/cart/change", buying.change, "POST"),
    ("/checkout", buying.checkout, "GET"),
    ("/checkout", buying.place_order, "POST"),
    ("/orders/{id}", buying.order, "GET"),
    ("/subscribe", account.subscribe, "POST"),
    ("/signup", account.signup, "GET"),
    ("/signup", account.signup, "POST"),
    ("/login", account.login, "GET"),
    ("/login", account.login, "POST"),
    ("/logout", account.logout, "POST"),
)

_SORRY = {
    400: ("That did not work", "The form came back in a shape this shop does not know."),
    404: ("Nothing on this shelf", "The page you asked for is not here. The tea is."),
    405: ("Not from here", "This address takes a form of the shop, nothing else."),
    413: ("Too much tea", "That was more than a form of this shop can hold."),
}


def shop_app(parts: Parts) -> Starlette:
    """The ASGI application. The middleware gives the tracker's calls the visitor whose request is answered."""
    app = Starlette(
        routes=[
            *(Route(path, with_session(handler), methods=[method]) for path, handler, method in PAGES),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"]), Middleware(TropaMiddleware)],
        exception_handlers={HTTPException: _sorry},
    )
    app.state.parts = parts
    return app


async def _sorry(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    heading, text = _SORRY.get(error.status_code, _SORRY[400])

    async def page(request: Request, session: Session) -> Response:
        calls = [commerce.page("Error", str(error.status_code))]
        return show(request, session, "sorry.html", title=heading, calls=calls, status=error.status_code, text=text)

    return await with_session(page)(request)
