"""The ``tropa`` command, as an operator runs it."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from loadtests.collector_process import CollectorProcess, free_port
from tests.conftest import StartCollector

from tropa_collector.cli import cli
from tropa_collector.doctor import examine
from tropa_collector.receive.keys import credentials
from tropa_collector.settings import Settings, load

TROPA = [sys.executable, "-m", "tropa_collector"]
BARE = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


@pytest.fixture(autouse=True)
def empty_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TROPA_{name.upper()}", raising=False)


def tropa(*arguments: str | Path, code: int = 0) -> str:
    """What the command printed, in this process; it must end with ``code``."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


@contextmanager
def serving(data: Path, log: Path) -> Iterator[tuple[int, int]]:
    """`tropa serve` without any setting but its addresses: its ports, once it is ready."""
    ports = free_port(), free_port()
    command = [*TROPA, "serve", "--data", str(data), "--host", "127.0.0.1", "--port", str(ports[0]), "--admin-port", str(ports[1])]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=BARE, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while b"listening on" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield ports
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


def test_every_command_fits_its_line_in_the_list() -> None:
    for group in ([], ["contacts"], ["destinations"], ["quarantine"]):
        assert "..." not in tropa(*group, "--help").partition("Commands:")[2]


def test_a_file_that_cannot_be_opened_is_named_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "data" / "writer.lock").mkdir(parents=True)
    assert tropa("quarantine", "replay", "--data", tmp_path / "data", code=2).strip().endswith("writer.lock: Is a directory")


def test_the_address_of_a_snippet_has_a_scheme() -> None:
    assert "begins with https://" in tropa("keys", "--url", "shop.example", code=2)


def test_the_first_start_prints_keys_once_and_keeps_them_private(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, tmp_path / "first.log"):
        pass
    shown = (tmp_path / "first.log").read_text()
    browser, server, token = (re.search(pattern, shown) for pattern in (r"wk_\S+", r"sk_\S+", r"admin token\s+(\S+)"))
    assert browser
    assert server
    assert token
    kept = data / "keys.toml"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    content = tomllib.loads(kept.read_text())
    assert token[1] not in kept.read_text()
    assert [entry.split(":")[:3] for entry in content["write_keys"]] == [
        ["web", "browser", browser[0]],
        ["server", "server", server[0]],
    ]
    with serving(data, tmp_path / "second.log") as (public, admin):
        again = (tmp_path / "second.log").read_text()
        assert not any(secret in again for secret in (browser[0], server[0], token[1]))
        collector = CollectorProcess(data)
        collector.port, collector.admin_port = public, admin
        collector.admin_token = token[1]
        for key in (browser[0], server[0]):
            assert collector.post("/v1/track", {"event": "Seen", "messageId": key, "anonymousId": "a"}, key=key)[0] == 200
        assert collector.count_events() == 2


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("MAX_DEPHT", "1", "Unknown setting TROPA_MAX_DEPHT"),
        ("PORT", "x", "port:"),
        ("WRITE_KEYS", "web:browser:wk_one,web:server:sk_two", "used twice"),
        ("WRITE_KEYS", "web:wk_one", "name:browser|server:key"),
    ],
)
def test_serve_says_in_a_sentence_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(f"TROPA_{variable}", value)
    assert sentence in tropa("serve", "--data", tmp_path / "data", code=2)
    assert list(tmp_path.iterdir()) == []


def test_serve_says_whose_address_it_cannot_have(tmp_path: Path, start_collector: StartCollector) -> None:
    running = start_collector()
    flags = [
        "--data",
        str(tmp_path / "other"),
        "--host",
        "127.0.0.1",
        "--port",
        str(running.port),
        "--admin-port",
        str(free_port()),
    ]
    done = subprocess.run([*TROPA, "serve", *flags], env=BARE, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "Is another collector running?" in done.stderr


def test_keys_lists_the_sources_and_hides_their_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROPA_WRITE_KEYS", "web:browser:wk_secret_one:ss_secret,shop:server:sk_secret_two")
    listed = tropa("keys")
    assert [line.split()[:2] for line in listed.splitlines()[:2]] == [["web", "browser"], ["shop", "server"]]
    assert not any(secret in listed for secret in ("ss_secret", "sk_secret_two"))
    assert "wk_secret_one" not in listed.partition("<script>")[0]
    assert "signs identities" in listed.splitlines()[0]
    assert "wk_secret_one" in tropa("keys", "--show")
    assert not list(tmp_path.rglob("keys.toml"))


def test_keys_makes_none(tmp_path: Path) -> None:
    assert "No keys yet" in tropa("keys", "--data", tmp_path / "data")
    assert list(tmp_path.iterdir()) == []
    made = credentials(load({"data": tmp_path / "data"}))
    assert made.ring.sources[0].write_key[:6] in tropa("keys", "--data", tmp_path / "data")


def test_schemas_are_written_and_checked(tmp_path: Path) -> None:
    assert "7 written" in tropa("schemas", "--out", tmp_path / "out")
    assert "0 stale" in tropa("schemas", "--out", tmp_path / "out", "--check")
    (tmp_path / "out" / "track.json").write_text("{}")
    assert "stale: track.json" in tropa("schemas", "--out", tmp_path / "out", "--check", code=1)
    assert (tmp_path / "out" / "track.json").read_text() == "{}"
    assert "1 written" in tropa("schemas", "--out", tmp_path / "out")


@pytest.mark.parametrize("command", [["quarantine", "list"], ["quarantine", "replay"], ["backup", "copy.sqlite3"]])
def test_without_a_store_commands_say_so_and_make_none(tmp_path: Path, command: list[str]) -> None:
    assert "There is no store" in tropa(*command, "--data", tmp_path / "nothing", code=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_a_file_that_is_no_store_is_named_and_no_command_hangs(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tropa.sqlite3").write_bytes(content)
    command = [*TROPA, "quarantine", "list", "--data", str(tmp_path)]
    done = subprocess.run(command, env=BARE, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"tropa: {tmp_path / 'tropa.sqlite3'} cannot be read: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("write_keys", ["", "shop:server:sk_shop"])
def test_a_data_directory_that_cannot_be_made_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_keys: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TROPA_WRITE_KEYS", write_keys)
    monkeypatch.setenv("TROPA_ADMIN_TOKEN", "a-token-that-is-long" if write_keys else "")
    assert "Choose another --data" in tropa("serve", "--data", tmp_path / "file" / "below", code=2)


def test_an_empty_list_of_quarantine_says_what_was_asked(start_collector: StartCollector) -> None:
    data = start_collector().data
    assert tropa("quarantine", "list", "--data", data) == "Quarantine is empty.\n"
    assert "was refused as 'bad_type'" in tropa("quarantine", "list", "--data", data, "--code", "bad_type")
    assert tropa("quarantine", "list", "--data", data, "--json") == ""


def test_a_replay_beside_a_running_collector_asks_for_its_token(start_collector: StartCollector) -> None:
    collector = start_collector()
    command: list[str | Path] = ["quarantine", "replay", "--data", collector.data]
    assert "--token" in tropa(*command, code=2)
    assert "answered 401" in tropa(*command, "--admin", collector.admin_url, "--token", "wrong", code=2)
    assert "cannot be reached" in tropa(*command, "--admin", f"http://127.0.0.1:{free_port()}", "--token", "x", code=2)
    assert "0 replayed" in tropa(*command, "--admin", collector.admin_url, "--token", collector.admin_token)


def test_a_backup_of_a_running_collector_can_be_served(tmp_path: Path, start_collector: StartCollector) -> None:
    collector = start_collector()
    events = [
        {"type": "track", "event": "Seen", "messageId": f"m{n}", "anonymousId": "a", "timestamp": "2026-11-21T20:00:00Z"}
        for n in range(300)
    ]
    collector.post("/v1/batch", {"batch": [*events, {"type": "x"}]})
    target = tmp_path / "copy.sqlite3"
    assert "integrity checked" in tropa("backup", "--data", collector.data, target)
    assert "exists" in tropa("backup", "--data", collector.data, target, code=2)
    assert "The copy failed" in tropa("backup", "--data", collector.data, tmp_path / "no" / "copy.sqlite3", code=2)
    collector.post("/v1/track", events[0] | {"messageId": "later"})
    restored = tmp_path / "restored"
    restored.mkdir()
    target.rename(restored / "tropa.sqlite3")
    second = start_collector("restored")
    assert (second.count_events(), len(second.quarantined())) == (300, 1)
    assert second.events(message_id="later") == []
    assert second.events(message_id="m7") == collector.events(message_id="m7")
    second.post("/v1/batch", {"batch": [*events, {**events[0], "messageId": "new"}]})
    assert second.count_events() == 301  # the copy knows what it has


def test_doctor_finds_nothing_wrong_with_a_running_collector(start_collector: StartCollector) -> None:
    collector = start_collector()
    found = {(finding.what, finding.good): finding.text for finding in examine(load({"data": collector.data}))}
    assert all(good for what, good in found if what != "disk")
    assert "sound" in found["store", True]
    assert "by a collector that runs" in found["in use", True]
    collector.stop()
    assert "by nobody" in {finding.what: finding.text for finding in examine(load({"data": collector.data}))}["in use"]


def test_doctor_finds_what_is_wrong(tmp_path: Path) -> None:
    data = tmp_path / "data"
    credentials(load({"data": data}))
    (data / "keys.toml").chmod(0o644)
    (data / "tropa.sqlite3").write_bytes(b"not a database at all" * 100)
    out = tropa("doctor", "--data", data, code=1)
    bad = [line.split()[1] for line in out.splitlines() if line.startswith("BAD")]
    assert {"keys", "store"} <= set(bad)
    assert "sources" not in bad
    assert "chmod 600" in out
    public = examine(load({"data": tmp_path, "admin_host": "0.0.0.0"}))
    assert [finding.what for finding in public if not finding.good] in (["admin"], ["admin", "disk"])


@pytest.mark.parametrize(("file", "variable"), [("", "web:wk_without_its_kind"), ("write_keys = [", ""), ("nothing at all", "")])
def test_doctor_finds_keys_that_serve_would_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, variable: str
) -> None:
    (tmp_path / "keys.toml").write_text(file)
    monkeypatch.setenv("TROPA_WRITE_KEYS", variable)
    found = {finding.what: finding for finding in examine(load({"data": tmp_path}))}
    assert not found["sources"].good
    assert "wk_without" not in found["sources"].text
    assert found["sources"].text in tropa("serve", "--data", tmp_path, code=2)


def test_doctor_of_a_newer_schema(tmp_path: Path, start_collector: StartCollector) -> None:
    collector = start_collector()
    collector.stop()
    connection = sqlite3.connect(collector.data / "tropa.sqlite3")
    with connection:
        columns = len(connection.execute("SELECT * FROM migrations LIMIT 1").description)
        connection.execute(f"INSERT INTO migrations VALUES ({', '.join(['999'] * columns)})")
    connection.close()
    assert {finding.what for finding in examine(load({"data": collector.data})) if not finding.good} >= {"schema"}


def test_doctor_prints_the_table_of_settings() -> None:
    assert tropa("doctor", "--settings").startswith("| variable | default |")


def test_a_signing_secret_and_keys_are_never_in_the_log(start_collector: StartCollector) -> None:
    collector = start_collector(log_format="json")
    collector.post("/v1/track", {"event": "x", "userId": "canary@example.com"}, key="wk_unknown_key")
    collector.post("/v1/track", {"event": "x", "userId": "canary@example.com"})
    collector.post("/v1/track", b"\x00broken canary@example.com")
    collector.stop()
    log = collector.log_file.read_text()
    secrets = (collector.browser_key, collector.server_key, collector.signing_secret, collector.admin_token, "wk_unknown_key")
    assert not [secret for secret in (*secrets, "canary") if secret in log]
    assert all(orjson.loads(line)["level"] for line in log.splitlines())


def test_the_entry_point_says_what_to_install() -> None:
    """The command is installed with the SDK too, where the collector's packages are missing."""
    hide = "import sys; sys.modules['click'] = None; from tropa_collector.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", hide], env=BARE, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "pip install 'tropa[collector]'" in done.stderr) == (1, True), done.stderr


def test_help_names_every_command() -> None:
    shown = tropa("--help")
    assert all(f"\n  {name} " in shown for name in ("serve", "keys", "schemas", "quarantine", "doctor", "backup"))


def test_a_process_that_is_started_with_closed_streams_opens_them() -> None:
    closed = "import os, sys; [os.close(number) for number in range(3)]; from tropa_collector.__main__ import open_standard_streams"
    program = f"{closed}; open_standard_streams(); sys.exit(os.open(os.devnull, os.O_RDONLY) <= 2)"
    done = subprocess.run([sys.executable, "-c", program], env=BARE, timeout=60, check=False)
    assert done.returncode == 0
