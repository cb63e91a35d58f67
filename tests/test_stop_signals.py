"""Which signals stop a collector in stages."""

from __future__ import annotations

import subprocess
import sys

import pytest

_WAITS = """
import asyncio, os, signal
from tropa_collector.app import stop_signal

signal.signal(signal.SIGHUP, signal.{before})

async def main():
    stop = stop_signal()
    os.kill(os.getpid(), signal.SIGHUP)
    for _ in range(10):  # turns of the loop, of which the signal needs two
        await asyncio.sleep(0.002)
    print(stop.is_set())

asyncio.run(main())
"""


@pytest.mark.parametrize(("before", "stopped"), [("SIG_DFL", "True"), ("SIG_IGN", "False")])
def test_a_terminal_that_hangs_up_stops_it_in_stages_unless_nohup_said_otherwise(before: str, stopped: str) -> None:
    program = _WAITS.format(before=before)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, stopped)
