"""``tropa contacts``, with and without a collector that holds the data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.conftest import StartCollector

from tropa_collector.cli import cli

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("TROPA_DEFAULT_COUNTRY", "RU")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["contacts", *arguments, "--data", str(tmp_path / "data")])

    return run


@pytest.mark.parametrize("served", [True, False])
def test_show_why_merge_and_split(start_collector: StartCollector, run: Run, served: bool) -> None:
    collector = start_collector()
    collector.post("/v1/identify", {"userId": "1", "messageId": "m1", "anonymousId": "c1", "traits": {"name": "Анна"}})
    collector.post("/v1/identify", {"userId": "2", "messageId": "m2", "traits": {"phone": "+79161234567", "name": "Anna"}})
    collector.post("/v1/identify", {"userId": "3", "messageId": "m3", "traits": {"email": "info@corp.example.com"}})
    if not served:
        assert collector.stop() == 0
    where = ["--admin", collector.admin_url, "--token", collector.admin_token]

    shown = run("show", "user_id:1").output
    assert re.search(r"user_id:1 +server +shop", shown)
    assert 'name = "Анна"' in shown
    assert re.search(r"email:info@corp.example.com .*, joins nobody\n", run("show", "user_id:3").output)
    assert json.loads(run("show", "phone:8 916 123-45-67", "--json").output)["events"][0]["messageId"] == "m2"
    assert "came together in event m1" in run("why", "anonymous_id:c1").output

    preview = run("merge", "user_id:1", "user_id:2", "--preview", *where)
    assert 'name "Анна" gives way to "Anna"' in preview.output
    done = run("merge", "user_id:1", "user_id:2", "--reason", "one person", "--actor", "olga", *where)
    assert done.exit_code == 0, done.output
    assert "by olga: " not in run("why", "user_id:2").output.splitlines()[0]
    merge_id = re.search(r"--merge (\d+)", done.output)[1]  # type: ignore[index]
    assert f"merge {merge_id}" in run("why", "user_id:2").output
    path = run("why", "user_id:1", "--a", "anonymous_id:c1", "--b", "phone:+79161234567").output
    assert "were joined by an operator" in path

    split = run("split", "user_id:1", "--merge", merge_id, *where)
    assert "user_id:2" in split.output
    assert "user_id:2" not in run("show", "user_id:1").output

    reason = ["--reason", "looked again", *where]
    assert "one contact" in run("relink", "user_id:1", "user_id:2", *reason).output
    rebuilt = run("rebuild", "user_id:1", *reason)
    assert rebuilt.output.startswith("The evidence makes c"), rebuilt.output
    assert "user_id:2" in run("show", "user_id:1").output
    assert "not in quarantine" in (refused := run("lift", "user_id:1", *reason)).output + refused.stderr


def test_a_rule_made_since_names_what_was_joined_before_it(
    start_collector: StartCollector, run: Run, monkeypatch: pytest.MonkeyPatch, store_url: str
) -> None:
    collector = start_collector(store=store_url)
    for user, email in (("1", "till@corp.example.com"), ("2", "anna@example.com")):
        collector.post("/v1/identify", {"userId": user, "messageId": user, "traits": {"email": email}})
    monkeypatch.setenv("TROPA_STORE", store_url)
    assert run("blocked").output == "0 identifiers that the rules name are in a contact with others.\n"
    monkeypatch.setenv("TROPA_BLOCKED_VALUES", "email:till@*")
    (line, total) = run("blocked").output.splitlines()
    assert (line[-60:], total[:2]) == ("tropa contacts split id:c1 --identifier email:till@corp.example.com"[-60:], "1 ")
    where = ["--admin", collector.admin_url, "--token", collector.admin_token]
    assert run(*line.split("tropa contacts ")[1].split(), *where).exit_code == 0
    assert run("blocked").output.startswith("0 ")
    assert "has one identifier" in run("why", "user_id:1").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "user_id:1"), "There is no store"),
        (("merge", "user_id:1", "user_id:2"), "--reason"),
        (("split", "user_id:1"), "--merge or --identifier"),
        (("why", "user_id:1", "--a", "user_id:1"), "--b"),
        (("show", "anna"), "kind:value"),
        (("merge", "user_id:1", "user_id:2", "--preview"), "There is no store"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(run: Run, arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output + result.stderr
