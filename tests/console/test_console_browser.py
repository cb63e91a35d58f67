"""The console in Debian's Chromium: the developer's story, hostile events, accessibility."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from loadtests.collector_process import CollectorProcess

HERE = Path(__file__).parent / "browser"
SDK = Path(__file__).parents[2] / "sdk_js"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

pytestmark = pytest.mark.timeout(170)


def _missing() -> str | None:
    if shutil.which("node") is None:
        return "node is not installed"
    if not (SDK / "node_modules" / "axe-core").is_dir():
        return "sdk_js has no node_modules: run npm ci there"
    return None if Path(CHROMIUM).exists() else f"no Chromium at {CHROMIUM}"


@pytest.fixture(autouse=True)
def _programs() -> None:
    """Skip on a laptop what needs a program that is not there; fail under CI."""
    reason = _missing()
    if reason is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@pytest.mark.parametrize("program", ["story", "hostile", "accessible", "contacts"])
def test_in_chromium(program: str, tmp_path: Path) -> None:
    with CollectorProcess(tmp_path / "data", network_events_per_second=0, default_country="RU") as collector:
        keys = {"TROPA_BROWSER_KEY": collector.browser_key, "TROPA_SERVER_KEY": collector.server_key}
        addresses = {"TROPA_ADMIN": collector.admin_url, "TROPA_URL": collector.url, "TROPA_ADMIN_TOKEN": collector.admin_token}
        done = subprocess.run(
            ["node", "--test", "--test-reporter=spec", str(HERE / f"{program}.mjs")],
            env=os.environ | keys | addresses,
            capture_output=True,
            text=True,
            timeout=160,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}\n{collector.log_tail()}"
        assert "Traceback" not in collector.log_file.read_text()
