from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropa_collector.events.timestamps import to_iso, to_microseconds

AT = 1_795_293_095_253_000  # 2026-11-21T20:31:35.253Z


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-11-21T20:31:35.253Z", AT),
        ("2026-11-21T23:31:35.253+03:00", AT),
        ("2026-11-21T20:31:35.253", AT),
        ("2026-11-21 20:31:35.253+00:00", AT),
        ("20261121T203135.253Z", AT),
        ("2026-11-21T20:31:35.253000999Z", AT),
        ("2026-11-21T20:31:35.253001Z", AT + 1),
        ("1970-01-01", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
    ],
)
def test_read(text: str, microseconds: int) -> None:
    assert to_microseconds(text) == microseconds


BAD = [
    "",
    "now",
    "2026-13-01",
    "2026-11-32T00:00:00Z",
    "2026-11-21T25:00:00Z",
    "2026-11-21T23:59:60Z",
    "1795293095",
    "2026-11-21T20:31+03.253Z",
    "+012026-01-01T00:00:00Z",
]


@pytest.mark.parametrize("text", BAD)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        to_microseconds(text)


@settings(deadline=None)
@given(st.datetimes(timezones=st.just(UTC)))
def test_there_and_back(moment: datetime) -> None:
    text = moment.isoformat()
    assert to_microseconds(to_iso(to_microseconds(text))) == to_microseconds(text)


@settings(deadline=None)
@given(st.datetimes(), st.integers(-1439, 1439))
def test_whatever_is_read_can_be_shown(moment: datetime, offset: int) -> None:
    sign, minutes = "-" if offset < 0 else "+", abs(offset)
    microseconds = to_microseconds(f"{moment.isoformat()}{sign}{minutes // 60:02}:{minutes % 60:02}")
    for shift in (timedelta(0), timedelta(days=1), timedelta(days=-1)):
        shown = to_iso(microseconds + shift // timedelta(microseconds=1))
        assert shown.endswith("Z")
        assert to_iso(to_microseconds(shown)) == shown


@settings(max_examples=1_000, deadline=None)
@given(
    st.datetimes().map(lambda moment: moment.isoformat()[:19])
    | st.from_regex(r"[0-9W]{4}-?[0-9W]{2}-?[0-9T+:.,Z -]{10,12}", fullmatch=True),
    st.integers(0, 999),
)
def test_what_javascript_writes_is_read_as_the_same_time_in_more_digits(second: str, milliseconds: int) -> None:
    def read(text: str) -> int | None:
        try:
            return to_microseconds(text)
        except ValueError:
            return None

    assert read(f"{second}.{milliseconds:03}Z") == read(f"{second}.{milliseconds:03}000Z")
