"""``json/``: texts that JSON has (y_), has not (n_), or leaves open (i_), as the whole body and as a property's value.

The names are those of the JSONTestSuite's kinds. What is taken is stored as any other reader reads it; what is not is a 400,
or one refused event, and never a 5xx.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.contract.door import Door

FILES = sorted(Path(__file__).with_name("json").glob("*.json"))
KIND = {kind: [file for file in FILES if file.name.startswith(kind)] for kind in ("y_", "n_", "i_")}
HEAD = b'{"type":"track","event":"E","messageId":"m","anonymousId":"a","properties":{"p":'


def named(file: Path) -> str:
    return file.stem


def test_there_are_many_of_each_kind() -> None:
    assert [len(files) >= 20 for files in KIND.values()] == [True, True, True]


@pytest.mark.parametrize("file", KIND["y_"], ids=named)
def test_what_is_json_is_stored_as_another_reader_reads_it(door: Door, file: Path) -> None:
    text = file.read_bytes()
    assert door.post("/v1/track", HEAD + text + b"}}").document["accepted"] == 1
    (stored,) = door.stored()
    expected = json.loads(text)
    assert json.dumps(stored["properties"]["p"]) == json.dumps(expected)


@pytest.mark.parametrize("file", KIND["n_"], ids=named)
def test_what_is_not_json_is_a_400(door: Door, file: Path) -> None:
    for body in (file.read_bytes(), HEAD + file.read_bytes() + b"}}"):
        answer = door.post("/v1/track", body)
        assert answer.status == 400
        assert answer.document.keys() >= {"success", "code", "message"}
    assert door.stored() == []


@pytest.mark.parametrize("file", KIND["i_"], ids=named)
def test_what_json_leaves_open_is_stored_soundly_or_refused_with_a_reason(door: Door, file: Path) -> None:
    answer = door.post("/v1/track", HEAD + file.read_bytes() + b"}}")
    assert answer.status in {200, 400}
    if answer.status == 400:
        assert len(answer.document["message"]) > 15
        return
    (stored,) = door.stored()
    text = json.dumps(stored["properties"], ensure_ascii=False)
    text.encode()  # no lone surrogate
    assert "\\u0000" not in text


@pytest.fixture
def door() -> Door:
    return Door()
