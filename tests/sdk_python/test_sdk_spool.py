from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import tropa
from tropa.options import Options
from tropa.spool import Spool, SpoolFile

NewClient = Callable[..., tropa.Client]


def options(**changes: Any) -> Options:
    return Options("sk_test", "http://localhost")._replace(**changes)


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.events"))


def open_files() -> list[str]:
    """Paths, as far as they are still open: other tests' threads close some meanwhile."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(link.readlink()))
    return found


def take_all(spool: Spool) -> list[bytes]:
    spool.adopt(spool.find_orphans())
    taken: list[bytes] = []
    while batch := spool.take():
        taken += batch
        spool.settle()
    return taken


def test_an_event_is_in_a_file_before_the_call_returns(new_client: NewClient, tmp_path: Path) -> None:
    client = new_client(host="http://127.0.0.1:9", spool=tmp_path / "spool")
    client.track("u", "Order Completed")
    [file] = kept(tmp_path / "spool")
    assert b'"Order Completed"' in file.read_bytes()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_the_next_process_takes_up_what_was_left(tmp_path: Path) -> None:
    first = Spool(tmp_path, options())
    for n in range(5):
        first.put(b"%d" % n)
    first.close()
    second = Spool(tmp_path, options())
    second.put(b"new")
    assert take_all(second) == [b"0", b"1", b"2", b"3", b"4", b"new"]
    second.close()
    assert kept(tmp_path) == []


def test_what_was_settled_is_not_taken_up_again(tmp_path: Path) -> None:
    first = Spool(tmp_path, options(batch_events=2))
    for n in range(5):
        first.put(b"%d" % n)
    first.take()
    first.settle()
    first.take()
    first.close()
    assert take_all(Spool(tmp_path, options())) == [b"2", b"3", b"4"]


def test_a_living_process_keeps_its_files(tmp_path: Path) -> None:
    living, other = Spool(tmp_path, options()), Spool(tmp_path, options())
    living.put(b"mine")
    assert other.find_orphans() == []
    assert living.take() == [b"mine"]


def test_a_line_cut_off_by_the_kill_was_never_accepted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, options())
    spool.put(b"whole")
    spool.close()
    with kept(tmp_path)[0].open("ab") as file:
        file.write(b'{"cut')
    successor = Spool(tmp_path, options())
    assert take_all(successor) == [b"whole"]
    assert kept(tmp_path) == []


def test_events_of_another_key_are_left_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path, options())
    spool.put(b"shop")
    spool.close()
    assert Spool(tmp_path, options(write_key="sk_other")).find_orphans() == []
    assert len(kept(tmp_path)) == 1
    assert "sk_test" not in kept(tmp_path)[0].name


def test_files_are_bounded_removed_when_delivered_and_the_folder_has_a_limit(tmp_path: Path) -> None:
    spool = Spool(tmp_path, options(spool_file_bytes=200, max_spool_bytes=900, batch_events=1))
    accepted = [spool.put(b"x" * 50) for _ in range(40)]
    assert accepted.count(True) == 16, "four files of 21 bytes and four events"
    assert accepted == sorted(accepted, reverse=True)
    assert len(take_all(spool)) == 16
    assert kept(tmp_path) == []
    assert spool.put(b"room again")
    spool.close()


def test_a_disk_that_takes_half_an_event_takes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, write = Spool(tmp_path, options()), os.pwrite
    spool.put(b"before")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda fd, data, at: write(fd, data[: len(data) // 2], at))
        with pytest.raises(OSError, match="not all"):
            spool.put(b"torn event")
    assert spool.put(b"after")
    assert take_all(spool) == [b"before", b"after"]


def test_a_disk_error_drops_counts_and_does_not_raise(
    new_client: NewClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_client(spool=tmp_path / "spool", host="http://127.0.0.1:9")
    client.track("u", "fine")

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert not client.track("u", "lost")
    assert client.report().dropped == 1
    assert client.track("u", "fine again")


def test_a_disk_without_room_for_a_new_file_leaves_nothing_open_of_each_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, options())

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        for _ in range(5):
            with pytest.raises(OSError, match="No space"):
                spool.put(b"lost")
    assert not [file for file in open_files() if file.startswith(str(tmp_path))]
    assert list(tmp_path.iterdir()) == []
    assert spool.put(b"room again")
    spool.close()


def test_a_small_limit_of_the_folder_is_kept_to(tmp_path: Path) -> None:
    spool = Spool(tmp_path, options(max_spool_bytes=10_000))
    while spool.put(b"x" * 99):
        pass
    assert 9_000 < sum(path.stat().st_size for path in kept(tmp_path)) < 11_000
    spool.close()


def test_a_folder_that_was_tidied_away_is_made_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", options(spool_file_bytes=100))
    spool.put(b"x" * 100)
    kept(tmp_path / "spool")[0].unlink()
    (tmp_path / "spool").rmdir()
    assert spool.put(b"y")
    assert take_all(spool) == [b"x" * 100, b"y"]


def test_a_delivery_that_cannot_be_noted_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, options(batch_events=1))
    spool.put(b"a")
    spool.put(b"b")

    def broken(*_: Any) -> int:
        raise OSError(5, "Input/output error")

    assert spool.take() == [b"a"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", broken)
        with pytest.raises(OSError, match="Input"):
            spool.settle()
    assert take_all(spool) == [b"b"]


def test_a_disk_that_cannot_note_a_delivery_loses_and_repeats_nothing_while_the_process_lives(
    collector: Any, new_client: NewClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = new_client(spool=tmp_path / "spool")

    def broken(_self: SpoolFile) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(SpoolFile, "settle", broken)
    for n in range(3):
        client.track("u", f"E{n}")
        assert client.flush(5) == (n + 1, 0, 0, 0)
    assert len(collector.received()) == 3
    assert "cannot be noted" in caplog.text


def test_a_file_that_cannot_be_read_does_not_keep_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"first", b"second"):
        left = Spool(tmp_path, options())
        left.put(content)
        left.close()
    unreadable = kept(tmp_path)[0]
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == unreadable:
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert take_all(Spool(tmp_path, options())) == [b"second"]


def test_delivered_between_open_and_lock(tmp_path: Path) -> None:
    spool = Spool(tmp_path, options())
    spool.put(b"x")
    [path] = kept(tmp_path)
    take_all(spool)
    spool.close()
    assert SpoolFile.adopt(path) is None


@pytest.mark.parametrize("wrong", ["file", "read only"])
def test_a_folder_that_cannot_be_used_is_an_error_at_construction(wrong: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.touch()
    with pytest.raises(OSError, match="place"):
        tropa.Client("sk_test", spool=place if wrong == "file" else place / "below")


def test_kill_9_loses_nothing_that_was_accepted(collector: Any, tmp_path: Path) -> None:
    """The host is killed in the middle of a stream; what it said it had accepted is there after the next start."""
    collector.always(delay=0.05)
    program = f"""
import tropa
client = tropa.Client("sk_test", {collector.url!r}, spool="spool", upload_size=100)
n = 0
while client.track("u", f"E{{n}}"):
    print(n, flush=True)
    n += 1
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as host:
        assert host.stdout is not None
        printed = [int(host.stdout.readline()) for _ in range(2_000)]
        host.send_signal(signal.SIGKILL)
        printed += [int(line) for line in host.stdout if line.endswith("\n")]
    collector.always()
    successor = tropa.Client("sk_test", collector.url, spool=tmp_path / "spool", handle_sigterm=False)
    assert successor.flush(10).pending == 0
    successor.shutdown(1)
    names = collector.names()
    assert {f"E{n}" for n in printed} <= names.keys()
    assert max(names.values()) == 1
    assert kept(tmp_path / "spool") == []


def test_processes_share_a_folder(collector: Any, tmp_path: Path) -> None:
    program = f"""
import sys, tropa
client = tropa.Client("sk_test", {collector.url!r}, spool="spool")
for n in range(300):
    assert client.track("u", f"{{sys.argv[1]}}-{{n}}")
"""
    hosts = [subprocess.Popen([sys.executable, "-c", program, str(k)], cwd=tmp_path) for k in range(4)]
    assert [host.wait(90) for host in hosts] == [0] * 4
    assert collector.names() == Counter(f"{k}-{n}" for k in range(4) for n in range(300))
    assert len(collector.received()) == 1_200, "no event was sent twice either"


@pytest.mark.parametrize(("end", "status"), [("", 0), ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)", -signal.SIGTERM)])
def test_an_end_that_delivers_everything_leaves_no_file_behind(
    end: str, status: int, collector: Any, tmp_path: Path, run_host: Callable[..., Any]
) -> None:
    """Delivered events hold personal data, and the next process may be long in coming."""
    run_host(f"for n in range(50): client.track('u', f'E{{n}}')\n{end}", check=status, spool="spool")
    assert len(collector.names()) == 50
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_host_that_exits_while_the_collector_is_down_leaves_its_events_for_the_next(
    collector: Any, tmp_path: Path, run_host: Callable[..., Any], new_client: NewClient
) -> None:
    collector.always(status=503)
    run_host("for n in range(50): client.track('u', f'E{n}')", spool="spool", exit_timeout=0.3)
    collector.always()
    successor = new_client(spool=tmp_path / "spool")
    successor.track("u", "new")
    report = successor.flush(5)
    assert (report.sent, report.pending) == (51, 0)
    assert len(collector.names()) == 51


def test_a_living_process_takes_up_what_another_leaves_later(collector: Any, tmp_path: Path, new_client: NewClient) -> None:
    client = new_client(spool=tmp_path / "spool")
    sender: Any = client._sender
    sender._options = sender._options._replace(orphan_scan_seconds=0.01)
    client.track("u", "own")
    assert client.flush(20).sent == 1
    left = Spool(tmp_path / "spool", options())
    left.put(b'{"type":"track","messageId":"m","userId":"u","event":"left"}')
    left.close()
    time.sleep(0.02)
    assert client.flush(20).sent == 2
    assert collector.names() == {"own": 1, "left": 1}


def test_a_damaged_file_costs_only_its_damaged_line(collector: Any, tmp_path: Path, new_client: NewClient) -> None:
    spool = Spool(tmp_path / "spool", options())
    Spool.prepare(tmp_path / "spool")
    for n in range(3):
        spool.put(b'{"messageId":"%d","event":"E"}' % n)
    spool.close()
    [file] = kept(tmp_path / "spool")
    file.write_bytes(file.read_bytes().replace(b'"1"', b"\0\0\0"))
    malformed = {"status": 400, "body": {"code": "malformed_body"}}
    collector.faults(malformed, {}, malformed, malformed, {})
    client = new_client(spool=tmp_path / "spool")
    report = client.flush(5)
    assert (report.sent, report.rejected, report.pending) == (2, 1, 0)
    assert "damaged" in client.dead_letters()[0].event
    assert (tmp_path / "spool" / "dead-letter.jsonl").exists()
