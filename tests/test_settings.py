"""Settings: from flags, variables and tropa.toml; unknown ones refused; every knob in the README."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tropa_collector.errors import SettingsError
from tropa_collector.settings import Settings, load
from tropa_collector.settings_table import MARKS, TABLES, settings_table

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(autouse=True)
def empty_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No tropa.toml of the developer's, no variables."""
    monkeypatch.chdir(tmp_path)
    for name in [*(f"TROPA_{field.upper()}" for field in Settings.model_fields), "TROPA_CONFIG"]:
        monkeypatch.delenv(name, raising=False)


def test_flags_win_over_variables_and_these_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tropa.toml").write_text("port = 1001\nadmin_port = 1002\nmax_depth = 10\n")
    monkeypatch.setenv("TROPA_ADMIN_PORT", "2002")
    monkeypatch.setenv("TROPA_MAX_DEPTH", "20")
    settings = load({"max_depth": 30, "host": None})
    assert (settings.port, settings.admin_port, settings.max_depth, settings.host) == (1001, 2002, 30, "0.0.0.0")


def test_a_file_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.toml").write_text('[sources.web]\nallowed_origins = ["https://shop.example"]\n')
    monkeypatch.setenv("TROPA_CONFIG", "other.toml")
    assert load().sources["web"].allowed_origins == ("https://shop.example",)
    monkeypatch.setenv("TROPA_CONFIG", "missing.toml")
    with pytest.raises(SettingsError, match=r"missing\.toml"):
        load()


@pytest.mark.parametrize("name", ["TROPA_MAX_DEPHT", "TROPA_", "TROPA_WRITEKEYS", "TROPA_max_depth"])
def test_an_unknown_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=f"Unknown setting {name}"):
        load()


@pytest.mark.parametrize("text", ["max_depht = 1", "[sources.web]\nallowed_origin = []", "max_depth = [", "[max_depth]"])
def test_an_unknown_or_broken_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tropa.toml").write_text(text)
    with pytest.raises(SettingsError):
        load()


BAD_VALUES = [
    ("PORT", "70000"),
    ("PORT", "x"),
    ("ADMIN_TOKEN", "short"),
    ("INGEST_PATHS", "no-slash"),
    ("INGEST_PATHS", "/ends/"),
    ("TRUSTED_PROXIES", "10.0.0.0/33"),
    ("GEO_DATABASES", "/nowhere.mmdb"),
    ("MAX_EVENT_BYTES", "600000"),  # more than a body
    ("MAX_DEPTH", "1000"),
    ("IP_STORAGE", "all"),
    ("LIMIT_LOOPBACK", "perhaps"),
    ("DEDUPE_DAYS", "7"),
    ("DRAIN_SECONDS", "0"),
]


@pytest.mark.parametrize(("name", "value"), BAD_VALUES)
def test_a_bad_value_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"TROPA_{name}", value)
    with pytest.raises(SettingsError) as error:
        load()
    assert name.lower() in str(error.value)


def test_lists_are_read_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROPA_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8,,")
    assert load().trusted_proxies == ("127.0.0.1", "10.0.0.0/8")
    assert [network.prefixlen for network in load().trusted_networks] == [32, 8]


def test_an_empty_variable_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROPA_PORT", "")
    assert load().port == 8000


def test_settings_are_frozen() -> None:
    settings: Any = load()
    with pytest.raises(ValidationError):
        settings.port = 1


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("nonsense = 1", "nonsense: there is no such setting"),
        ('[sources.web]\nallowed_origin = ["x"]', "sources.web.allowed_origin: there is no such setting"),
        ('trusted_proxies = ["zzz"]', "trusted_proxies: 'zzz' does not appear to be an IPv4 or IPv6 network"),
        ("port = 99999", "port: Input should be less than or equal to 65535"),
    ],
)
def test_a_fault_is_named_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str, says: str) -> None:
    (tmp_path / "tropa.toml").write_text(toml)
    monkeypatch.setenv("TROPA_CONFIG", str(tmp_path / "tropa.toml"))
    with pytest.raises(SettingsError) as refused:
        load()
    assert str(refused.value) == f"These settings cannot be used:\n  {says}"


def test_a_unit_is_in_the_name() -> None:
    """A knob that counts or measures something says what."""
    units = ("port", "bytes", "events", "depth", "chars", "items", "seconds", "connections", "second", "days")
    numbers = [name for name, field in Settings.model_fields.items() if field.annotation in {int, float}]
    assert len(numbers) > 20
    assert [name for name in numbers if not name.endswith(units)] == []


def test_the_table_has_a_row_for_every_knob() -> None:
    rows = [line.split("`")[1] for line in settings_table().splitlines()[2:]]
    assert rows == [f"TROPA_{name.upper()}" for name in Settings.model_fields if name not in TABLES]
    assert "| `TROPA_MAX_DEPTH` | `64` | ≥ 4, ≤ 200 |" in settings_table()


def test_the_readme_has_the_table() -> None:
    start, end = MARKS
    text = README.read_text("utf-8")
    assert text.count(start) == text.count(end) == 1
    found = text.partition(start)[2].partition(end)[0].strip()
    assert found == settings_table().strip(), "paste the output of `tropa doctor --settings` between the marks in README.md"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SOURCES", "nonsense", "A variable cannot be read.*sources"),
        ("RETENTION_DAYS", "9999999999", "retention_days: .*36500"),
        ("BODY_TIMEOUT_SECONDS", "inf", "body_timeout_seconds: .*finite"),
    ],
)
def test_nonsense_in_a_variable_is_told_so(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TROPA_{name}", value)
    with pytest.raises(SettingsError, match=said):
        load()
