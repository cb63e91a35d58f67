"""Drive a server with wrk (Debian's package), with bodies that are new each time they are sent (``wrk_bodies.py``)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.wrk_bodies import CENTRE_MS

CONNECTIONS = {"single": 128, "batch": 16}
PATHS = {"single": "/v1/track", "batch": "/v1/batch"}

_LUA = r"""
local CENTRE_MS = @CENTRE_MS@
local bodies, offsets, threads = {}, {}, 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
local function pieces(line)
  local list, from = {}, 1
  while true do
    local a, b, token = line:find("@(%w+)@", from)
    if not a then list[#list + 1] = line:sub(from); return list end
    list[#list + 1] = line:sub(from, a - 1)
    list[#list + 1] = token
    offsets[token] = (tonumber(token:match("^T(%d+)$")) or 0) - CENTRE_MS
    from = b + 1
  end
end
local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, microseconds; } moment; int gettimeofday(moment *, void *);")
function init(args)
  for line in io.lines(args[1]) do bodies[#bodies + 1] = pieces(line) end
  salt = string.format("%06x%02x", tonumber(args[2]), number)
  headers = {["X-Write-Key"] = args[3], ["Content-Type"] = "application/json"}
  path, count, moment = args[4], 0, ffi.new("moment")
  seconds, millis = {}, {}
  for number = 0, 999 do millis[number] = string.format(".%03d", number) end
  visitors = {}  -- of which runs they are: this one's, or those that return
  for seed in args[6]:gmatch("%d+") do visitors[#visitors + 1] = string.format("%06x%02x", tonumber(seed), number) end
  pause = tonumber(args[5])
  if pause > 0 then
    math.randomseed(number + 1)
    delay = function() return math.floor(0.5 - pause * math.log(1 - math.random())) end
  end
end
local function time(offset)
  local milliseconds = now % 1000 + offset
  local number = math.floor(milliseconds / 1000)
  local second = (now - now % 1000) / 1000 + number
  local text = seconds[second]
  if not text then text = os.date("!%Y-%m-%dT%H:%M:%S", second); seconds[second] = text end
  return text .. millis[milliseconds - 1000 * number]
end
function request()
  ffi.C.gettimeofday(moment, nil)
  now = tonumber(moment.seconds) * 1000 + math.floor(tonumber(moment.microseconds) / 1000)
  local list, round = bodies[count % #bodies + 1], math.floor(count / #bodies)
  local whose, visit = visitors[round % #visitors + 1], math.floor(round / #visitors)
  local ids = {
    I = string.format("%s%08x", salt, count),
    V = string.format("v%s%04x", whose, visit + 1),
    W = string.format("v%s%04x", whose, visit),
  }
  count = count + 1
  local out = {}
  for i = 1, #list, 2 do
    out[i] = list[i]
    local token = list[i + 1]
    if token then out[i + 1] = ids[token] or time(offsets[token]) end
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


def drive(
    url: str,
    key: str,
    bodies: Path,
    *,
    shape: str,
    seconds: float,
    seed: int,
    returning: Sequence[int] = (),
    connections: int = 0,
    pause_ms: float = 0,
) -> Run:
    """wrk for some seconds, with one thread.

    ``returning``: the seeds of earlier runs whose visitors come back. ``pause_ms``: what each connection waits between two
    requests, on average.
    """
    script = bodies.with_suffix(".lua")
    script.write_text(_LUA.replace("@CENTRE_MS@", str(CENTRE_MS)))
    command = ["wrk", "-t1", f"-c{connections or CONNECTIONS[shape]}", f"-d{seconds:g}s", "--latency", "-s", str(script), url, "--"]
    command += [str(bodies), str(seed), key, PATHS[shape], f"{pause_ms:g}"]
    command += [",".join(map(str, returning or (seed,)))]
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
