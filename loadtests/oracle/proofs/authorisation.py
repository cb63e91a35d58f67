"""Every route of every listener × six credentials, each shown in every way there is; and a canary that no browser key may see."""

from __future__ import annotations

import asyncio
import base64
import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import orjson

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.hostile.permissions import API, CONSOLE, CREDENTIALS, PERMISSIONS, PUBLIC, Way, may, ways
from loadtests.oracle.table import Row
from tropa_collector.receive.script import script

TEST = "authorisation"
CANARY = {"email": "canary-7f3a@example.com", "phone": "+79165550173", "name": "Канарейка Желтухина", "city": "Canaryville-7f3a"}
UNTRUSTED = frozenset({"nobody", "junk", "browser key"})
_SHUT = {API: {401, 403}, CONSOLE: {401, 403, 404}, PUBLIC: {401, 403, 404, 405}}
_SAMPLES = {"ref": "user_id:u1", "name": "nobody", "event_id": "1", "refused_id": "1", "type": "track"}
_EVENT = orjson.dumps({"type": "track", "event": "Matrix", "userId": "u1", "messageId": "matrix"})
Shown = tuple[str, dict[str, str]]  # a query and headers


async def prove(directory: Path, *, module: str = "tropa_collector") -> list[Row]:
    """Ask everything, compare with the table."""
    with CollectorProcess(directory / "data", module=module) as collector:
        rows = await asyncio.to_thread(_ask_everything, collector)
        await asyncio.to_thread(collector.stop)
    log = collector.log_file.read_text("utf-8")
    told = [
        value for value in (*CANARY.values(), collector.browser_key, collector.server_key, collector.admin_token) if value in log
    ]
    return [*rows, Row(TEST, "the collector's log", f"{len(told)} personal values and keys in it {told}", "0", not told)]


def _ask_everything(collector: CollectorProcess) -> list[Row]:
    table = ways()
    _store(collector)
    deviations, leaks, asked = [f"no row for {' '.join(way)}" for way in table if may(way) is None], set[str](), 0
    for credential in sorted(CREDENTIALS, key=lambda one: one == "admin token"):  # what erases comes last
        for way in sorted(table, key=lambda way: way.path == "/sign-out"):
            answers = [_ask(collector, way, shown) for shown in _ways_to_show(collector, way, credential)]
            asked += len(answers)
            shut = _SHUT[API if credential == "console session" else way.listener]  # who is in may ask for what is not there
            opened, allowed = any(status not in shut for status, _ in answers), may(way)
            if allowed is not None and opened != (credential in allowed.value):
                deviations.append(f"{' '.join(way)} is {'open' if opened else 'shut'} to {credential}: {[s for s, _ in answers]}")
            if credential in UNTRUSTED:
                leaks |= {f"{' '.join(way)} to {credential}" for _, body in answers if _holds_canary(body)}
    done = f"{len(table)} routes × {len(CREDENTIALS)} credentials, {asked} requests"
    stale = PERMISSIONS.keys() - set(table)
    return [
        Row(TEST, done, f"{len(deviations)} deviations {deviations[:2] or ''}", "0", not deviations),
        Row(TEST, "personal data of a canary without a secret", f"{len(leaks)} answers {sorted(leaks)[:2] or ''}", "0", not leaks),
        Row(TEST, "rows of the table that no route has", f"{len(stale)} {[*stale][:2] or ''}", "0", not stale),
    ]


def _store(collector: CollectorProcess) -> None:
    """A person to be found out about, one event to look at, and one refused."""
    collector.post("/v1/track", _EVENT)
    collector.post("/v1/track", {"type": "track", "messageId": "refused", "userId": "u1"})
    collector.post("/v1/identify", {"type": "identify", "userId": "canary", "messageId": "canary", "traits": CANARY})
    collector.post("/v1/track", {"type": "track", "messageId": "canary-refused", "userId": CANARY["email"]})


def _holds_canary(body: bytes) -> bool:
    text = body.decode("utf-8", "replace")
    return any(value in text or quote(value) in text for value in CANARY.values())


def _secret(collector: CollectorProcess, credential: str) -> str:
    secrets = {"browser key": collector.browser_key, "server key": collector.server_key, "admin token": collector.admin_token}
    return secrets.get(credential, "junk-of-more-than-sixteen-characters" if credential == "junk" else "")


def _ways_to_show(collector: CollectorProcess, way: Way, credential: str) -> Iterator[Shown]:
    """As a Bearer, as the key of a header, as Basic, in the query, as a cookie: whatever might be taken."""
    if credential == "console session":
        yield "", {"Cookie": f"tropa_session={_session(collector)}"}
        return
    secret = _secret(collector, credential)
    if not secret:
        yield "", {}
        return
    yield "", {"Authorization": f"Bearer {secret}"}
    yield "", {"X-Write-Key": secret}
    yield "", {"Authorization": f"Basic {base64.b64encode(f'{secret}:'.encode()).decode()}"}
    yield f"?writeKey={secret}&token={secret}&once={secret}", {}
    yield "", {"Cookie": f"tropa_session={secret}"}
    if way.path == "/sign-in" and way.method == "POST":
        yield f"token={secret}", {"Content-Type": "application/x-www-form-urlencoded"}


def _session(collector: CollectorProcess) -> str:
    form = f"token={collector.admin_token}"
    connection = http.client.HTTPConnection("127.0.0.1", collector.admin_port, timeout=10)
    connection.request("POST", "/sign-in", form, {**_same_origin(collector), "Content-Type": "application/x-www-form-urlencoded"})
    found = re.search(r"tropa_session=([^;]+)", connection.getresponse().headers.get("set-cookie", ""))
    connection.close()
    return found[1] if found else ""


def _same_origin(collector: CollectorProcess) -> dict[str, str]:
    return {"Origin": collector.admin_url, "Host": f"127.0.0.1:{collector.admin_port}"}


def _ask(collector: CollectorProcess, way: Way, shown: Shown) -> tuple[int, bytes]:
    """The status and the beginning of the body; a redirect to the sign-in is a closed door."""
    extra, headers = shown
    key = headers.get("X-Write-Key") or headers.get("Authorization", "").removeprefix("Bearer ") or "none"
    samples = _SAMPLES | {"key": quote(key), "version": script().version}
    path = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: samples[found[1]], way.path.replace("/static/", "/static/console.css"))
    body: bytes | None = _EVENT if way.method == "POST" else None
    if extra.startswith("token="):
        body, extra = extra.encode(), ""
    if way.listener == CONSOLE:
        headers = headers | _same_origin(collector)
    port = collector.port if way.listener == PUBLIC else collector.admin_port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(way.method, path + extra, body, headers)
        response = connection.getresponse()
        is_stream = response.headers.get_content_type() == "text/event-stream"
        content = b"" if is_stream else response.read()
    finally:
        connection.close()
    location = response.headers.get("location", "")
    is_refused = way.path not in {"/sign-in", "/sign-out", "/preferences"} and location.startswith("/sign-in")
    return (401 if is_refused else response.status), content + str(response.headers).encode()
