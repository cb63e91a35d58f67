"""Looking around: the catalogue and a product."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tropa_collector.demo import catalogue, commerce
from tropa_collector.demo.page import show
from tropa_collector.demo.sessions import Session


async def home(request: Request, session: Session) -> Response:
    calls = [commerce.page("Catalogue", "Home"), commerce.list_viewed("home", "Everything", catalogue.PRODUCTS)]
    return show(request, session, "catalogue.html", title="Listva", calls=calls, category=None, products=catalogue.PRODUCTS)


async def category(request: Request, session: Session) -> Response:
    found = catalogue.category(request.path_params["slug"])
    if found is None:
        raise HTTPException(404)
    products = catalogue.products_of(found)
    calls = [commerce.page("Catalogue", found.name), commerce.list_viewed(found.slug, found.name, products)]
    return show(request, session, "catalogue.html", title=found.name, calls=calls, category=found, products=products)


async def product(request: Request, session: Session) -> Response:
    found = catalogue.product(request.path_params["slug"])
    if found is None:
        raise HTTPException(404)
    own = catalogue.category(found.category)
    assert own is not None
    nearest_first = dict.fromkeys((*catalogue.products_of(own), *catalogue.PRODUCTS))
    beside = [other for other in nearest_first if other != found][:4]
    calls = [commerce.page("Product", found.name), commerce.product_viewed(found)]
    return show(request, session, "product.html", title=found.name, calls=calls, product=found, category=own, beside=beside)
