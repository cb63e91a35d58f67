"""Commands ask the collector that their settings start."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.conftest import StartCollector

from tropa_collector.cli import cli
from tropa_collector.settings import Settings
from tropa_collector.transfer.admin_client import admin_api

ADDRESSES = [
    ({}, None, "http://127.0.0.1:8001"),
    ({"admin_port": 9001}, None, "http://127.0.0.1:9001"),
    ({"admin_host": "0.0.0.0"}, None, "http://127.0.0.1:8001"),
    ({"admin_host": "::"}, None, "http://[::1]:8001"),
    ({"admin_host": "::1", "admin_port": 9001}, None, "http://[::1]:9001"),
    ({"admin_host": "10.0.0.7"}, None, "http://10.0.0.7:8001"),
    ({"admin_host": "10.0.0.7"}, "https://tropa.example/admin", "https://tropa.example/admin"),
]


@pytest.mark.parametrize(("settings", "flag", "url"), ADDRESSES)
def test_the_admin_listener_is_where_the_settings_put_it(settings: dict[str, object], flag: str | None, url: str) -> None:
    assert admin_api(Settings.model_validate(settings), flag, None).url == url


@pytest.mark.parametrize(("flag", "token"), [(None, "token-of-settings"), ("token-of-a-flag", "token-of-a-flag")])
def test_a_flag_is_stronger_than_the_setting(flag: str | None, token: str) -> None:
    assert admin_api(Settings(admin_token="token-of-settings"), None, flag).token == token


def test_a_command_beside_a_collector_needs_no_flags(
    start_collector: StartCollector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = start_collector()
    monkeypatch.setenv("TROPA_CONFIG", str(tmp_path / "tropa.toml"))
    (tmp_path / "tropa.toml").write_text(f'admin_port = {collector.admin_port}\nadmin_token = "{collector.admin_token}"\n')
    for command in (["quarantine", "replay", "--data", str(collector.data)], ["destinations", "list"]):
        done = CliRunner().invoke(cli, command)
        assert done.exit_code == 0, done.output
