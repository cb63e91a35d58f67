"""A visit: which pages somebody sees, what the pages say, and what the shop's server says of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from tropa_collector.demo import catalogue, commerce
from tropa_collector.demo.cart import Cart
from tropa_collector.demo.catalogue import CATEGORIES, Category, Product
from tropa_collector.demo.commerce import Call
from tropa_collector.demo.traffic.people import Device, Person, pick


class Step(NamedTuple):
    """What is said at one moment on one page. ``at``: seconds since the epoch. ``user_id``: as the page knows it."""

    at: float
    calls: tuple[Call, ...]
    path: str
    title: str
    referrer: str
    user_id: str | None = None
    by_server: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """``seed`` makes the message ids, so that a visit that is played twice is stored once."""

    seed: str
    person: Person
    device: Device
    steps: tuple[Step, ...]


class Origin(NamedTuple):
    """Where a visit comes from."""

    referrer: str
    query: str = ""


_SEARCH, _YANDEX = "https://www.google.com/", "https://ya.ru/"
ORIGINS = (
    (22, Origin("")),
    (18, Origin(_SEARCH)),
    (15, Origin(_YANDEX)),
    (13, Origin(_YANDEX, "utm_source=yandex&utm_medium=cpc&utm_campaign=autumn-oolong&utm_term=oolong&yclid=")),
    (9, Origin("https://vk.com/", "utm_source=vk&utm_medium=social&utm_campaign=gaiwan-film")),
    (7, Origin("", "utm_source=telegram&utm_medium=messenger&utm_campaign=tea-channel")),
    (6, Origin(_SEARCH, "utm_source=google&utm_medium=cpc&utm_campaign=brand&gclid=")),
    (4, Origin("https://l.instagram.com/", "utm_source=instagram&utm_medium=social&utm_campaign=teapot-week&fbclid=")),
    (3, Origin("https://teaforum.example/threads/yixing-for-beginners")),
)
LETTER = Origin("", "utm_source=newsletter&utm_medium=email&utm_campaign=")

#: What a half-finished widget of somebody else sends with the shop's key: each ends in quarantine, for a reason of its own.
BROKEN = (
    {"type": "track", "properties": {"widget": "chat", "state": "opened"}},
    {"type": "purchase", "properties": {"widget": "instant-checkout"}},
    {"type": "track", "event": "Banner Shown", "timestamp": "yesterday at noon"},
    {"type": "track", "event": "Price Compared", "properties": "990"},
)


class _Walk:
    """One person on the way through the shop; each look at a page takes a while."""

    def __init__(self, random: Random, at: float, origin: Origin, user_id: str | None) -> None:
        self.random, self.at, self.user_id = random, at, user_id
        self._referrer, self._query = origin.referrer, origin.query
        if self._query.endswith("clid="):
            self._query += f"{random.getrandbits(60):x}"
        self.steps: list[Step] = []
        self._announced: tuple[Call, ...] = ()
        self.cart = Cart(f"cart-{random.getrandbits(32):08x}")

    def see(self, path: str, title: str, *calls: Call) -> None:
        address = f"{path}?{self._query}" if self._query else path
        said = (*self._announced, *calls)
        self.steps.append(Step(self.at, said, address, title, self._referrer, self.user_id))
        self._referrer, self._query, self._announced = path, "", ()
        self.at += self.random.lognormvariate(3.2, 0.7)

    def announce(self, *calls: Call) -> None:
        """On the next page, as after a form."""
        self._announced = calls

    def say(self, *calls: Call) -> None:
        """On the page that is open."""
        last = self.steps[-1]
        self.steps.append(last._replace(at=self.at - 0.2, calls=calls, user_id=self.user_id))

    def server_says(self, *calls: Call) -> None:
        self.steps.append(self.steps[-1]._replace(at=self.at, calls=calls, user_id=self.user_id, by_server=True))


def visit(seed: str, person: Person, at: float, *, known: bool, origin: Origin | None = None) -> Visit:
    """What ``person`` does from ``at`` on. ``known``: has an account; others may make one, subscribe, or stay nobody."""
    random = Random(f"visit {seed}")
    device = random.choice(person.devices)
    logged_in = known and random.random() < 0.5
    walk = _Walk(random, at, origin or pick(random, ORIGINS), person.user_id if logged_in else None)
    if person.is_robot:
        _crawl(walk)
        return Visit(seed, person, device, tuple(walk.steps))
    _browse(walk)
    if random.random() < 0.02:
        walk.say(Call("broken", (random.choice(BROKEN),)))
    if walk.user_id is None and random.random() < (0.5 if known else 0.06):
        _enter(walk, person, "Signed In" if known else "Signed Up")
        _come_home(walk)
    elif not known and random.random() < 0.12:
        walk.say(*commerce.subscribed(person.email))
    if walk.cart and random.random() < 0.8:
        _see_cart(walk)
        if random.random() < (0.65 if known else 0.3):
            _buy(walk, person, "Signed In" if known else "Signed Up")
    return Visit(seed, person, device, tuple(walk.steps))


def _crawl(walk: _Walk) -> None:
    for product in walk.random.sample(catalogue.PRODUCTS, 4):
        walk.see(product.path, product.name, commerce.page("Product", product.name), commerce.product_viewed(product))


def _browse(walk: _Walk) -> None:
    random = walk.random
    if random.random() < 0.45:
        _come_home(walk)
    for _ in range(1 + (random.random() < 0.35)):
        shelf: Category = pick(random, ((6, CATEGORIES[0]), (3, CATEGORIES[1]), (1, CATEGORIES[2])))
        products = catalogue.products_of(shelf)
        shown = commerce.list_viewed(shelf.slug, shelf.name, products)
        walk.see(f"/shelves/{shelf.slug}", shelf.name, commerce.page("Catalogue", shelf.name), shown)
        if random.random() < 0.3:
            break
        for product in random.sample(products, random.choice((1, 1, 2))):
            _look_at(walk, product, products.index(product) + 1)


def _come_home(walk: _Walk) -> None:
    everything = commerce.list_viewed("home", "Everything", catalogue.PRODUCTS)
    walk.see("/", "Listva", commerce.page("Catalogue", "Home"), everything)


def _see_cart(walk: _Walk) -> None:
    walk.see("/cart", "Your cart", commerce.page("Cart", "Cart"), commerce.cart_viewed(walk.cart))


def _look_at(walk: _Walk, product: Product, position: int) -> None:
    walk.say(commerce.product_clicked(product, position))
    walk.see(product.path, product.name, commerce.page("Product", product.name), commerce.product_viewed(product))
    if walk.random.random() < 0.3:
        added = walk.cart.add(product, walk.random.choice((1, 1, 1, 2)))
        walk.announce(commerce.product_added(walk.cart, product, added))
        _see_cart(walk)


def _enter(walk: _Walk, person: Person, event: str) -> None:
    path, title = ("/signup", "Sign up") if event == "Signed Up" else ("/login", "Log in")
    walk.see(path, title, commerce.page("Account", title))
    walk.user_id = person.user_id
    if event == "Signed Up":
        walk.server_says(Call("identify", (person.user_id, person.traits)))
    # Signed when it is sent: a token is good for a day, and this may be of last week.
    walk.announce(commerce.identify(person.user_id, person.traits, ""), commerce.track(event, {"method": "email"}))


def _buy(walk: _Walk, person: Person, entering: str) -> None:
    if walk.user_id is None:
        _enter(walk, person, entering)
    order_id = walk.cart.id.replace("cart-", "L-")
    started = commerce.checkout_started(walk.cart, order_id)
    walk.see("/checkout", "Checkout", commerce.page("Checkout", "Checkout"), started)
    if walk.random.random() < 0.25:
        return
    walk.server_says(
        Call("identify", (person.user_id, {"city": person.place.city})),
        commerce.track("Order Completed", commerce.order(walk.cart, order_id)),
    )
    walk.see(f"/orders/{order_id}", "Thank you", commerce.page("Checkout", "Thank you"))


def letter(seed: str, person: Person, at: float, campaign: str) -> Iterator[Visit]:
    """A mail to a customer, said by the server that sends it; some open it, and some of those come to the shop."""
    random = Random(f"letter {seed}")
    about = {"campaign_name": campaign, "email_id": f"{campaign}-{person.user_id}", "email_subject": "One tea, one page"}
    steps = [_mail(at, person, "Email Sent", about)]
    opened = at + random.expovariate(1 / 7_200)
    comes = False
    if random.random() < 0.4:
        steps.append(_mail(opened, person, "Email Opened", about))
        comes = random.random() < 0.35
    if comes:
        link = {"link_url": f"/products/moonlit-oolong?{LETTER.query}{campaign}"}
        steps.append(_mail(opened + 20, person, "Email Link Clicked", about | link))
    yield Visit(seed, person, person.devices[0], tuple(steps))
    if comes:
        origin = LETTER._replace(query=LETTER.query + campaign)
        yield visit(f"{seed} visit", person, opened + 22, known=True, origin=origin)


def _mail(at: float, person: Person, event: str, properties: dict[str, str]) -> Step:
    return Step(at, (commerce.track(event, properties),), "", "", "", person.user_id, by_server=True)
