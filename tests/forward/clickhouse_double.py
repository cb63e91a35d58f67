"""A test double of ClickHouse's HTTP interface: the real engine (chdb), in a process of its own, behind a few lines of HTTP.

    python tests/forward/clickhouse_double.py PORT DIRECTORY

It validates DDL and queries as ClickHouse does; connections, users and replication are not ClickHouse's. It keeps books for the
tests: ``/double?fail_after_commit=2&fail_before=1&seconds=3`` sets how the next inserts end, after they were committed or before.
"""

from __future__ import annotations

import re
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from chdb import session

_CODE = re.compile(r"Code: (\d+)")
_NOT_FOUND = frozenset((60, 81))  # UNKNOWN_TABLE, UNKNOWN_DATABASE
_OURS = frozenset(("database", "query"))


class Double(BaseHTTPRequestHandler):
    """One request at a time: chdb has one session a process."""

    engine: ClassVar[Any] = None
    faults: ClassVar[dict[str, float]] = {}

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if url.path == "/double":
            self.faults.update({name: float(value) for name, value in asked.items()})
            self._reply(200, b"")
            return
        query = asked.get("query", "") or body
        is_insert = query.startswith("INSERT")
        if is_insert:
            time.sleep(self.faults.get("seconds", 0))
            if self._due("fail_before"):
                self._reply(500, b"Code: 999. DB::Exception: not committed")
                return
        settings = ", ".join(f"{name}='{value}'" for name, value in asked.items() if name not in _OURS)
        if is_insert:
            query = query.replace(" FORMAT ", f" SETTINGS {settings} FORMAT ", 1) + "\n" + body
        try:
            self.engine.query(f"USE {asked.get('database', 'default')}")
            result = self.engine.query(query, "TabSeparated").bytes()
        except Exception as error:  # noqa: BLE001 - whatever the engine says is the answer
            code = _CODE.search(str(error))
            status = 404 if code and int(code[1]) in _NOT_FOUND else 400
            self._reply(status, str(error).encode())
            return
        if is_insert and self._due("fail_after_commit"):
            self._reply(500, b"Code: 999. DB::Exception: committed, and then something broke")
            return
        self._reply(200, result)

    def do_GET(self) -> None:
        self.do_POST()

    def _due(self, fault: str) -> bool:
        left = self.faults.get(fault, 0)
        self.faults[fault] = max(0, left - 1)
        return left > 0

    def _reply(self, status: int, body: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # who asked did not wait

    def log_message(self, *_: Any) -> None:
        """Not on the tests' output."""


def main() -> None:
    Double.engine = session.Session(sys.argv[2])  # type: ignore[no-untyped-call] # it ships no types
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Double).serve_forever()


if __name__ == "__main__":
    main()
