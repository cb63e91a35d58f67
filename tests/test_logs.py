"""What is logged is one line to a terminal and one object to a machine, whoever wrote what is in it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from tests.conftest import StartCollector

from tropa_collector import logs
from tropa_collector.cli import cli

HOSTILE = "a\x1b[31mb\x00c\nd\x9bm"


@pytest.fixture
def formatter(request: pytest.FixtureRequest) -> Iterator[logging.Formatter]:
    """The formatter that ``configure`` chose; the handlers of the test run come back."""
    root = logging.getLogger()
    handlers, level, uvicorn = root.handlers[:], root.level, logging.getLogger("uvicorn").level
    root.handlers = []
    logs.configure(request.param)
    chosen = root.handlers[0].formatter
    root.handlers = handlers
    root.setLevel(level)
    logging.getLogger("uvicorn").setLevel(uvicorn)
    assert chosen is not None
    yield chosen


def record() -> logging.LogRecord:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        return logging.LogRecord("tropa.receive", logging.ERROR, "x.py", 1, "said %s", (HOSTILE,), sys.exc_info())


@pytest.mark.parametrize("formatter", ["text"], indirect=True)
def test_a_line_holds_nothing_that_a_terminal_obeys(formatter: logging.Formatter) -> None:
    first, *trace = formatter.format(record()).split("\n")
    assert first.endswith(r"error    tropa.receive  said a\x1b[31mb\x00c\x0ad\x9bm")
    assert trace[-2:] == [r"ValueError: a\x1b[31mb\x00c", r"d\x9bm"]


@pytest.mark.parametrize("formatter", ["json"], indirect=True)
def test_an_entry_is_one_line_of_json(formatter: logging.Formatter) -> None:
    line = formatter.format(record())
    entry = json.loads(line)
    assert line.isascii()
    assert (entry["level"], entry["logger"], entry["message"]) == ("error", "tropa.receive", f"said {HOSTILE}")
    assert entry["exception"].endswith(f"ValueError: {HOSTILE}")


def test_the_list_of_quarantine_neither(start_collector: StartCollector) -> None:
    collector = start_collector()
    collector.post("/v1/batch", {"batch": [{"type": HOSTILE}, {"type": "page", "properties": {HOSTILE: 2**63}}]})
    printed = CliRunner().invoke(cli, ["quarantine", "list", "--data", str(collector.data)]).output
    assert len(printed.splitlines()) == 2
    assert "\x1b" not in printed
    assert "\x9b" not in printed
