"""Drive a server with wrk (Debian's package), with bodies that are new each time they are sent.

A body is written once with tokens in it; wrk fills them in: a message id that no other send has, a visitor who is new each
time the bodies have gone round, and the second of the moment under a clock that is some seconds off, as real ones are.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from loadtests.bodies import Visitor

BATCH_EVENTS = 100
CONNECTIONS = {"single": 128, "batch": 16}
BODIES = {"single": 8_000, "batch": 160}
PATHS = {"single": "/v1/track", "batch": "/v1/batch"}
_NOW = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)  # what the clock tokens replace

_LUA = r"""
local bodies, threads = {}, 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
local function pieces(line)
  local list, from = {}, 1
  while true do
    local a, b, token = line:find("@(%w+)@", from)
    if not a then list[#list + 1] = line:sub(from); return list end
    list[#list + 1] = line:sub(from, a - 1)
    list[#list + 1] = token
    from = b + 1
  end
end
function init(args)
  for line in io.lines(args[1]) do bodies[#bodies + 1] = pieces(line) end
  salt = string.format("%06x%02x", tonumber(args[2]), number)
  headers = {["X-Write-Key"] = args[3], ["Content-Type"] = "application/json"}
  path, count, second, times = args[4], 0, 0, {}
  pause = tonumber(args[5])
  if pause > 0 then
    math.randomseed(number + 1)
    delay = function() return math.floor(0.5 - pause * math.log(1 - math.random())) end
  end
end
function request()
  local now = os.time()
  if now ~= second then
    second = now
    for offset = 0, 18 do times["T" .. offset] = os.date("!%Y-%m-%dT%H:%M:%S", now + offset - 9) end
  end
  local list = bodies[count % #bodies + 1]
  times.I = string.format("%s%08x", salt, count)
  times.V = string.format("%s%04x", salt, math.floor(count / #bodies))
  count = count + 1
  local out = {}
  for i = 1, #list, 2 do
    out[i] = list[i]
    local token = list[i + 1]
    if token then out[i + 1] = times[token] end
  end
  return wrk.format("POST", path, headers, table.concat(out))
end
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What wrk measured: requests a second, latency in milliseconds, answers that were not 200."""

    requests_per_second: float
    p50: float
    p99: float
    failed: int


def events(seed: int, *, concurrent: int = 400) -> Iterator[dict[str, Any]]:
    """Visitors who browse at the same time, ten events each, the last an identify, with tokens for what must be new."""
    dice = random.Random(seed)
    number = 0
    visitors: list[tuple[Visitor, int, int]] = []
    while True:
        if len(visitors) < concurrent:
            visitors.append((Visitor(dice, unique="@V@", clock_seconds=0), dice.randrange(10), _offset(dice)))
        at = dice.randrange(len(visitors))
        visitor, position, offset = visitors[at]
        event = visitor.event(position, now=_NOW)
        number += 1
        text = orjson.dumps(event | {"messageId": f"@I@-{number}"}).decode()
        yield orjson.loads(re.sub(r"2001-02-03T04:05:0[0-9]", f"@T{offset}@", text))
        visitors[at] = (visitor, position + 1, offset)
        if position == 9:
            del visitors[at]


def _offset(dice: random.Random) -> int:
    return 9 + max(-9, min(9, round(dice.gauss(0, 2))))


def write_bodies(directory: Path) -> dict[str, Path]:
    """One body a line: single events and batches."""
    source, files = events(seed=7), {}
    for shape, count in BODIES.items():
        files[shape] = directory / f"{shape}.jsonl"
        with files[shape].open("wb") as file:
            for _ in range(count):
                items = [next(source) for _ in range(1 if shape == "single" else BATCH_EVENTS)]
                file.write(orjson.dumps(items[0] if shape == "single" else {"batch": items, "sentAt": items[0]["sentAt"]}) + b"\n")
    return files


def drive(
    url: str, key: str, bodies: Path, *, shape: str, seconds: float, seed: int, connections: int = 0, pause_ms: float = 0
) -> Run:
    """wrk for some seconds, with one thread. ``pause_ms``: what each connection waits between two requests, on average."""
    script = bodies.with_suffix(".lua")
    script.write_text(_LUA)
    command = ["wrk", "-t1", f"-c{connections or CONNECTIONS[shape]}", f"-d{seconds:g}s", "--latency", "-s", str(script), url, "--"]
    command += [str(bodies), str(seed), key, PATHS[shape], f"{pause_ms:g}"]
    output = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True).stdout
    return Run(
        requests_per_second=float(_found(r"Requests/sec:\s+([\d.]+)", output)),
        p50=_milliseconds(_found(r"^\s+50%\s+(\S+)", output)),
        p99=_milliseconds(_found(r"^\s+99%\s+(\S+)", output)),
        failed=int(_found(r"Non-2xx or 3xx responses: (\d+)", output, "0")),
    )


def _found(pattern: str, text: str, otherwise: str | None = None) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None and otherwise is None:
        raise RuntimeError(f"wrk printed no {pattern}:\n{text}")
    return match.group(1) if match else str(otherwise)


def _milliseconds(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    if match is None:
        raise RuntimeError(f"wrk printed {text!r} for a latency")
    return float(match.group(1)) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[match.group(2)]
