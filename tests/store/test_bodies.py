"""Bodies in the embedded store's file: what was packed comes back, in a third of its room, in any thread."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from loadtests.bodies import stream

from tropa_collector.store.sqlite.bodies import DICTIONARY, pack, text_of
from tropa_collector.store.sqlite.file import FILE_NAME, connect, open_reading

EVENTS = [orjson.dumps(event).decode() for event in islice(stream(3), 400)]


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_comes_back(body: str) -> None:
    stored = pack(body)
    assert isinstance(stored, bytes)
    assert text_of(stored) == body


def test_an_event_takes_a_third_of_its_text() -> None:
    """These are not of the shop that the dictionary was made of."""
    assert sum(len(pack(event)) for event in EVENTS) * 3 < sum(map(len, EVENTS))


def test_what_is_no_frame_is_the_body() -> None:
    assert text_of('{"erased":true}') == text_of(b'{"erased":true}') == '{"erased":true}'


def test_half_a_surrogate_pair_is_left_for_the_store_to_refuse() -> None:
    assert pack('{"a":"\ud800"}') == '{"a":"\ud800"}'


def test_frames_name_their_dictionary() -> None:
    frame = pack(EVENTS[0])
    assert isinstance(frame, bytes)
    assert zstandard.get_frame_parameters(frame).dict_id == zstandard.ZstdCompressionDict(DICTIONARY.read_bytes()).dict_id() != 0


def test_a_frame_that_is_damaged_or_of_another_dictionary_says_so() -> None:
    frame, another = pack(EVENTS[0]), zstandard.train_dictionary(1_024, [event.encode() for event in EVENTS])
    assert isinstance(frame, bytes)
    for odd in (frame[:40], zstandard.ZstdCompressor(dict_data=another).compress(b"{}")):
        with pytest.raises(sqlite3.DatabaseError, match="damaged, or was written by a newer version"):
            text_of(odd)


def test_threads_do_not_disturb_one_another() -> None:
    def there_and_back(number: int) -> bool:
        mine = EVENTS[number % len(EVENTS) :]
        return [text_of(stored) for stored in map(pack, mine)] == mine

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(64)))


def test_a_column_reads_as_text_and_sql_can_look_into_it(tmp_path: Path) -> None:
    connection = connect(tmp_path / FILE_NAME, synchronous="OFF")
    connection.execute("CREATE TABLE kept (body BODY BLOB)")
    connection.executemany("INSERT INTO kept VALUES (?)", [(pack('{"n":1}'),), ('{"n":2}',), (None,)])
    reader = open_reading(tmp_path / FILE_NAME)
    for asked in (connection, reader):
        assert [body for (body,) in asked.execute("SELECT body FROM kept")] == ['{"n":1}', '{"n":2}', None]
        looked_into = "SELECT sum(json_extract(text_of(body), '$.n')) FROM kept WHERE body IS NOT NULL"
        assert asked.execute(looked_into).fetchone() == (3,)
    with sqlite3.connect(tmp_path / FILE_NAME) as plain:
        assert plain.execute("SELECT substr(body, 1, 4) FROM kept").fetchone() == (b"\x28\xb5\x2f\xfd",)
    reader.close()
    connection.close()
