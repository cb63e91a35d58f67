"""A browser without a screen: cookies, forms and pages of one collector's console."""

from __future__ import annotations

import html
import http.client
import re
import urllib.parse
from typing import NamedTuple

from loadtests.collector_process import CollectorProcess

HTML = {"Accept": "text/html"}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


class Visitor:
    """Signs in with the admin token when it is made, unless it is a stranger."""

    def __init__(self, collector: CollectorProcess, *, stranger: bool = False) -> None:
        self._address = f"127.0.0.1:{collector.admin_port}"
        self.cookies: dict[str, str] = {}
        if not stranger:
            assert self.post("/sign-in", token=collector.admin_token).status == 303

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, HTML | headers)

    def post(self, path: str, /, **fields: str) -> Answer:
        origin = {"Origin": f"http://{self._address}", "Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, HTML | origin, urllib.parse.urlencode(fields))

    def ask(self, method: str, path: str, headers: dict[str, str], body: str | None = None) -> Answer:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        try:
            cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
            connection.request(method, path, body, {**cookie, **headers})
            response = connection.getresponse()
            for name, value in response.getheaders():
                if name.lower() == "set-cookie":
                    self._keep(value)
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read().decode())
        finally:
            connection.close()

    def _keep(self, cookie: str) -> None:
        name, _, value = cookie.partition(";")[0].partition("=")
        if value.strip('"'):
            self.cookies[name] = value
        else:
            self.cookies.pop(name, None)


def links(text: str, start: str) -> list[str]:
    """Addresses on a page that begin so."""
    addresses = (html.unescape(found) for found in re.findall(r'href="([^"]+)"', text))
    return [address for address in addresses if address.startswith(start)]
