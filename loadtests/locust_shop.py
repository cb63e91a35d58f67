"""A shop's traffic: visitors who look, log in, fill carts and order; a mailing's burst; its own server; telephones in trains; bots.

    locust -f loadtests/locust_shop.py --host http://localhost:8000 --write-key wk_… --server-key sk_… --shape spike

Without a shape Locust's page says how many there are. ``python -m loadtests.shop_day`` starts a collector, runs this without the
page and checks that every event ended somewhere. An answer other than the expected one is a failure in Locust's table.
"""

from __future__ import annotations

import gzip
import random
from typing import Any, ClassVar

import orjson
from locust import FastHttpUser, LoadTestShape, between, constant_pacing, events, task
from locust.argument_parser import LocustArgumentParser

from loadtests.bodies import Visitor, stream
from loadtests.load_shapes import SHAPES, Crowd
from loadtests.slow_upload import slow_upload


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator] # locust's own is untyped
def _options(parser: LocustArgumentParser) -> None:
    parser.add_argument("--write-key", env_var="TROPA_WRITE_KEY", default="", help="A browser key of the collector")
    parser.add_argument("--server-key", env_var="TROPA_SERVER_KEY", default="", help="A server key; without it no server sends")
    parser.add_argument("--shape", choices=SHAPES, default="", help="How many there are, and when; empty: as Locust's page says")
    parser.add_argument("--crowd", type=int, default=100, help="Visitors of an ordinary moment, for --shape")
    parser.add_argument("--shape-seconds", type=int, default=300, help="How long the shape lasts")


class _Sender(FastHttpUser):
    """Sends batches and looks at what is answered."""

    abstract = True

    def key(self) -> str:
        return str(self.environment.parsed_options.write_key) if self.environment.parsed_options else ""

    def send(self, *batch: dict[str, Any], name: str, headers: dict[str, str] | None = None) -> None:
        body = orjson.dumps({"writeKey": self.key(), "batch": batch, "sentAt": batch[-1]["sentAt"]})
        with self.client.post(
            "/v1/batch",
            data=body.decode(),
            headers={"Content-Type": "text/plain", **(headers or {})},
            catch_response=True,
            name=name,
        ) as response:
            answer = orjson.loads(response.content) if response.status_code == 200 else {}
            if answer.get("accepted") != len(batch):
                response.failure(f"{response.status_code} {str(response.text)[:200]}")


class ShopVisitor(_Sender):
    """One visit after another, each by a new visitor: they look around, some log in and fill a cart, some of those order."""

    weight = 60
    wait_time = between(0.5, 2.5)

    def on_start(self) -> None:
        self._visitor, self._position = Visitor(random.Random()), 0

    @task(8)
    def look_at_a_product(self) -> None:
        self.send(self._next(), name="visitor: a page")

    @task(2)
    def search_and_compare(self) -> None:
        self.send(*[self._next() for _ in range(4)], name="visitor: four at once")

    @task(2)
    def log_in(self) -> None:
        self.send(self._visitor.event(9), name="visitor: identify")

    @task(1)
    def order(self) -> None:
        order = self._visitor.event(1) | {"type": "track", "event": "Order Completed"}
        order["properties"] = {"order_id": f"o-{random.getrandbits(40):x}", "total": 1_999, "currency": "RUB"}
        self.send(self._visitor.event(9), order, name="visitor: order")
        self.on_start()

    def _next(self) -> dict[str, Any]:
        self._position += 1
        return self._visitor.event(self._position % 9)


class MailReader(ShopVisitor):
    """Comes from a mailing, all at the same time: the campaign in the address, two or three pages, gone."""

    wait_time = between(1, 4)

    @task
    def arrive(self) -> None:
        self.on_start()
        landing = self._visitor.event(0)
        search = f"?utm_source=mail&utm_medium=email&utm_campaign=sale&utm_id={random.getrandbits(24):x}"
        landing["context"]["page"] |= {"search": search, "url": f"https://shop.example/sale{search}"}
        self.send(landing, self._next(), name="mail reader: landing")


class ShopServer(_Sender):
    """The shop's own backend: a full queue once a second, gzip, with a server key."""

    fixed_count = 1
    wait_time = constant_pacing(1)

    def on_start(self) -> None:
        self._events = stream(random.getrandbits(32))

    def key(self) -> str:
        return str(self.environment.parsed_options.server_key) if self.environment.parsed_options else ""

    @task
    def flush(self) -> None:
        if not self.key():
            return
        batch = [next(self._events) for _ in range(random.randint(20, 100))]
        body = gzip.compress(orjson.dumps({"batch": batch, "sentAt": batch[-1]["sentAt"]}), 1)
        headers = {"X-Write-Key": self.key(), "Content-Encoding": "gzip"}
        gzipped: Any = body  # its annotation knows text alone
        with self.client.post("/v1/batch", data=gzipped, headers=headers, catch_response=True, name="server: a batch") as response:
            if response.status_code != 200:
                response.failure(f"{response.status_code} {str(response.text)[:200]}")


class Telephone(ShopVisitor):
    """On a train: a batch goes out at 8 KB/s, and what was kept underground comes together, with a retry marker."""

    weight = 15
    wait_time = between(3, 10)
    bytes_per_second: ClassVar[int] = 8_000

    @task(20)
    def upload_slowly(self) -> None:
        batch = [self._next() for _ in range(random.randint(1, 8))]
        body = orjson.dumps({"writeKey": self.key(), "batch": batch, "sentAt": batch[-1]["sentAt"]})
        slow_upload(self.environment, "/v1/batch", body, bytes_per_second=self.bytes_per_second, name="telephone: slow upload")

    @task(5)
    def surface(self) -> None:
        batch = [self._next() for _ in range(random.randint(10, 40))]
        self.send(*batch, name="telephone: kept events", headers={"X-Retry-Count": "2"})


class Bot(_Sender):
    """Crawlers that run the page's script, and scanners that know no key and no JSON."""

    weight = 10
    wait_time = between(0.2, 2)

    @task(3)
    def crawl(self) -> None:
        page = Visitor(random.Random()).event(0)
        page["context"]["userAgent"] = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
        self.send(page, name="bot: a page")

    @task(1)
    def scan(self) -> None:
        for path, body in (("/v1/track", "{"), ("/v1/batch", "a=b"), ("/wp-login.php", ""), ("/api/v1/events", "")):
            with self.client.post(path, data=body, catch_response=True, name="bot: a scan") as response:
                if response.status_code in {400, 401, 404}:
                    response.success()
                else:
                    response.failure(f"{response.status_code} to a scan of {path}")


class Day(LoadTestShape):
    """The shape that ``--shape`` names; without one, what Locust's page says."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | tuple[int, float, list[type[Any]]] | None:
        options = self.runner.environment.parsed_options if self.runner else None
        if options is None or not options.shape:
            return (int(options.num_users or 1), float(options.spawn_rate or 1)) if options else None
        crowd: Crowd | None = SHAPES[options.shape](float(self.get_run_time()), options.crowd, options.shape_seconds)  # type: ignore[no-untyped-call] # locust's own is untyped
        if crowd is None:
            return None
        everyday = [ShopVisitor, ShopServer, Telephone, Bot]
        return crowd.users, crowd.spawn_rate, [*everyday, MailReader] if crowd.mailing else everyday
