"""The browser SDK: its unit tests, its bundle, and what happens in Debian's Chromium, against a real collector too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from loadtests.browser_delivery import LEAST, deliveries, table
from loadtests.collector_process import CollectorProcess

from tropa_collector.receive.keys import Source
from tropa_collector.receive.script import snippet

HERE = Path(__file__).parent
SDK = HERE.parents[1] / "sdk_js"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
VISITS = 20
HIDDEN_KEY = "wk_test_hidden"

pytestmark = pytest.mark.timeout(170)


def _missing() -> str | None:
    if shutil.which("node") is None:
        return "node is not installed"
    if not (SDK / "node_modules").is_dir():
        return "sdk_js has no node_modules: run npm ci there"
    return None if Path(CHROMIUM).exists() else f"no Chromium at {CHROMIUM}"


@pytest.fixture(autouse=True)
def _programs() -> None:
    """Skip on a laptop what needs a program that is not there; fail under CI."""
    reason = _missing()
    if reason is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def _run(*command: str | Path, **environment: str) -> str:
    line, around = [str(part) for part in command], os.environ | environment
    done = subprocess.run(line, cwd=SDK, env=around, capture_output=True, text=True, timeout=160, check=False)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """With a second browser source, whose visitors' ids script does not see."""
    folder = tmp_path_factory.mktemp("browser")
    config = folder / "tropa.toml"
    config.write_text("[sources.hidden]\ncookie_http_only = true\n")
    keys = f"web:browser:{CollectorProcess.browser_key},hidden:browser:{HIDDEN_KEY}"
    with CollectorProcess(folder / "data", write_keys=keys, config=config, script_paths="/t/a.js") as process:
        yield process


def test_units() -> None:
    assert "passed" in _run("node_modules/.bin/vitest", "run", "--no-color")


def test_the_bundle_is_what_the_sources_build_and_small_enough() -> None:
    print(_run("npm", "run", "--silent", "check"))


@pytest.mark.parametrize("program", sorted(path.name for path in HERE.glob("*.mjs")))
def test_in_chromium(program: str, collector: CollectorProcess) -> None:
    named = {
        "url": collector.url,
        "admin": collector.admin_url,
        "token": collector.admin_token,
        "key": collector.browser_key,
        "hiddenKey": HIDDEN_KEY,
        "snippet": snippet(Source("web", "browser", collector.browser_key), collector.url, pinned=True),
    }
    print(_run("node", "--test", "--test-reporter=spec", HERE / program, TROPA_TEST_COLLECTOR=json.dumps(named)))


def test_delivery_counted_in_a_real_store(tmp_path: Path) -> None:
    found = deliveries(tmp_path / "data", VISITS)
    print(table(found))
    assert len(found) == 10
    for one in found:
        # One of twenty may be lost where the page dies at once: the rates themselves are claimed on 200.
        assert one.stored >= one.sent - (one.scenario in LEAST), one
        assert one.twice == 0, one
