"""How processes end and multiply: each test runs a real host program and looks at what arrived."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunHost = Callable[..., subprocess.CompletedProcess[str]]


def expected(*names: str, count: int = 1) -> Counter[str]:
    return Counter(dict.fromkeys(names, count))


ENDS = {
    "plain exit": ("client.track('u', 'E')", 0),
    "sys.exit": ("client.track('u', 'E'); sys.exit(3)", 3),
    "exception": ("client.track('u', 'E'); raise SystemError('bug')", 1),
    "keyboard interrupt": ("client.track('u', 'E'); raise KeyboardInterrupt", 1),
    "SIGTERM to itself": ("client.track('u', 'E'); os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", -signal.SIGTERM),
    "SIGTERM in a thread's time": (
        "client.track('u', 'E'); threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start(); time.sleep(9)",
        -signal.SIGTERM,
    ),
    "SIGTERM to the first process of a container, who is spared its default action": (
        "client.track('u', 'E'); kill, pid = os.kill, os.getpid(); os.kill, os.getpid = lambda *_: None, lambda: 1\n"
        "kill(pid, signal.SIGTERM); time.sleep(30)",
        128 + signal.SIGTERM,
    ),
    "track in an exit handler": ("import atexit; atexit.register(client.track, 'u', 'E')", 0),
    "client made in a function": ("def f(): tropa.Client('k', client._options.host).track('u', 'E')\nf()", 0),
    "default client": ("tropa.write_key, tropa.host = 'k', client._options.host; tropa.track('u', 'E')", 0),
}


@pytest.mark.parametrize(("program", "status"), ENDS.values(), ids=ENDS)
def test_every_end_delivers(collector: Any, run_host: RunHost, program: str, status: int) -> None:
    run_host(program, check=status, upload_interval=60.0)
    assert collector.names() == expected("E")


def test_an_exit_waits_for_a_slow_collector(collector: Any, run_host: RunHost) -> None:
    collector.always(delay=0.3)
    run_host("for n in range(5_000): client.track('u', f'E{n}')", upload_size=500)
    assert len(collector.names()) == 5_000


def test_an_exit_with_a_dead_collector_ends_within_its_budget(collector: Any, run_host: RunHost) -> None:
    collector.stop()
    began = time.monotonic()
    done = run_host("client.track('u', 'E')", exit_timeout=1.0)
    assert time.monotonic() - began < 8.0, "ten more than the start of a process would be the default"
    assert "the process ends before 1 events could be delivered; they are lost" in done.stderr


@pytest.mark.parametrize("mode", [{}, {"sync_mode": True}, {"spool": "spool"}], ids=["threads", "sync", "spool"])
def test_sigterm_at_any_moment_of_a_busy_host_loses_nothing_accepted(
    collector: Any, start_host: Callable[..., subprocess.Popen[str]], mode: Any
) -> None:
    """The signal lands inside of calls, locks held, again and again; the host neither hangs nor loses."""
    program = """
n = 0
while True:
    print(n, end="\\n" if client.track("u", f"E{n}") else " refused\\n", flush=True)
    n += 1
"""
    for pause in (0.001, 0.01, 0.02, 0.04, 0.05):
        before = collector.names()
        with start_host(program, upload_size=50, **mode) as host:
            assert host.stdout is not None
            lines = [host.stdout.readline()]
            time.sleep(pause)
            host.send_signal(signal.SIGTERM)
            lines += host.stdout.readlines()
            host.wait(60)
        assert host.returncode == -signal.SIGTERM
        accepted = Counter(f"E{line.strip()}" for line in lines if line.endswith("\n") and "refused" not in line)
        assert accepted <= collector.names() - before


FORKS = {
    "child tracks": """
if os.fork() == 0:
    client.track("u", "child"); sys.exit()
os.wait(); client.track("u", "parent")
""",
    "queued before the fork": """
client.track("u", "parent")
if os.fork() == 0:
    client.track("u", "child"); sys.exit()
os.wait()
""",
    "sender busy at the fork": """
client.track("u", "parent"); time.sleep(0.15)
if os.fork() == 0:
    client.track("u", "child"); sys.exit()
os.wait()
""",
    "multiprocessing fork": """
import multiprocessing
child = multiprocessing.get_context("fork").Process(target=client.track, args=("u", "child"))
child.start(); child.join(); client.track("u", "parent")
""",
    "multiprocessing pool that is terminated": """
import multiprocessing
with multiprocessing.get_context("fork").Pool(1) as pool:
    pool.apply(tropa_track, ("u", "child"))
client.track("u", "parent")
""",
    "process pool executor": """
import concurrent.futures, multiprocessing
with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
    pool.submit(tropa_track, "u", "child").result()
client.track("u", "parent")
""",
    "grandchild": """
if os.fork() == 0:
    if os.fork() == 0:
        client.track("u", "child"); sys.exit()
    os.wait(); sys.exit()
os.wait(); client.track("u", "parent")
""",
    "SIGTERM in the child": """
if os.fork() == 0:
    client.track("u", "child"); os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)
os.wait(); client.track("u", "parent")
""",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mode", [{}, {"spool": "spool"}], ids=["memory", "spool"])
@pytest.mark.parametrize("program", FORKS.values(), ids=FORKS)
def test_forks(collector: Any, run_host: RunHost, program: str, mode: Any) -> None:
    collector.always(delay=0.05)
    run_host("def tropa_track(*what): client.track(*what)\n" + program, upload_interval=0.1, **mode)
    assert collector.names() == expected("child", "parent")
    assert len(collector.received()) == 2, "the child does not send what is the parent's"


def test_a_living_child_does_not_hold_the_files_of_its_ended_parent(
    collector: Any, start_host: Callable[..., subprocess.Popen[str]], run_host: RunHost
) -> None:
    """A lock lasts as long as any copy of the open file does, and a forked child has copies."""
    collector.always(status=503)
    program = """
client.track("u", "parent")
child = os.fork()
if child == 0:
    time.sleep(20)
print(child, flush=True); signal.pause()
"""
    with start_host(program, spool="spool") as host:
        assert host.stdout is not None
        child = int(host.stdout.readline())
        host.kill()
        host.stdout.close()
    collector.always()
    try:
        run_host("assert client.flush(5).sent == 1", spool="spool")
    finally:
        os.kill(child, signal.SIGKILL)
    assert collector.names() == expected("parent")


def test_a_fork_while_the_sender_imports_urllib3(collector: Any, run_host: RunHost) -> None:
    """The child would wait for ever for the import that the parent's thread had begun."""
    program = """
client.track("u", "parent")
while "urllib3" not in sys.modules:
    pass
if os.fork() == 0:
    client.track("u", "child"); sys.exit()
os.wait()
"""
    run_host(program, upload_interval=0.001)
    assert collector.names() == expected("child", "parent")


def test_multiprocessing_spawn(collector: Any, tmp_path: Path) -> None:
    (tmp_path / "host.py").write_text(f"""
import multiprocessing, tropa
tropa.write_key, tropa.host = "sk_test", {collector.url!r}
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=tropa.track, args=("u", "child"))
    child.start(); child.join(); tropa.track("u", "parent")
""")
    subprocess.run([sys.executable, "host.py"], cwd=tmp_path, check=True, timeout=90)
    assert collector.names() == expected("child", "parent")


def test_a_hosts_own_sigterm_handler_stays(collector: Any, run_host: RunHost) -> None:
    program = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
second = tropa.Client("k", client._options.host)
second.track("u", "E"); os.kill(os.getpid(), signal.SIGTERM)
"""
    run_host(program, check=7)
    assert collector.names() == expected("E")


def test_sigterm_can_be_left_alone(run_host: RunHost) -> None:
    run_host("assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL", handle_sigterm=False)


def test_a_client_made_in_a_thread_touches_no_signal(collector: Any, run_host: RunHost) -> None:
    program = """
thread = threading.Thread(target=lambda: tropa.Client("k", client._options.host).track("u", "E"))
thread.start(); thread.join()
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""
    run_host(program, handle_sigterm=False)
    assert collector.names() == expected("E")
