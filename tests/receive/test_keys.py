from __future__ import annotations

import stat
import tomllib
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tropa_collector.errors import SettingsError
from tropa_collector.receive.keys import (
    FILE_NAME,
    KeyRing,
    credentials,
    hash_token,
    key_of_body,
    key_of_headers,
    key_of_query,
    key_ring,
    read_sources,
)
from tropa_collector.settings import Settings, SourceOptions, load
from tropa_collector.store.protocol import Trust

TOKEN = "an-admin-token-of-the-settings"


@pytest.fixture(autouse=True)
def empty_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings(tmp_path: Path, **changed: Any) -> Settings:
    return load({"data": tmp_path / "data", **changed})


def basic(text: str) -> bytes:
    return b"Basic " + b64encode(text.encode())


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, None),
        ({b"authorization": basic("k1:")}, "k1"),
        ({b"authorization": basic("k1")}, "k1"),
        ({b"authorization": basic("k1:password")}, "k1"),
        ({b"authorization": basic("***:"), b"x-write-key": b"k2"}, "k2"),
        ({b"authorization": b"Bearer k3"}, "k3"),
        ({b"authorization": b"bearer  k3 "}, "k3"),
        ({b"authorization": b"Bearer k3", b"x-write-key": b"k2"}, "k2"),
        ({b"authorization": b"Basic \xff\xfe"}, None),
        ({b"x-write-key": b" \t"}, None),
    ],
)
def test_key_of_headers(headers: dict[bytes, bytes], key: str | None) -> None:
    assert key_of_headers(headers) == key


@pytest.mark.parametrize(
    ("query", "key"),
    [
        (b"", None),
        (b"writeKey=k", "k"),
        (b"a=1&writeKey=k&writeKey=other", "k"),
        (b"writeKey=&writeKey=k", "k"),
        (b"writeKey=***", None),
        (b"writekey=k", None),
        (b"writeKey=%6b%3a", "k:"),
        (b"&" * 200 + b"writeKey=k", None),
    ],
)
def test_key_of_query(query: bytes, key: str | None) -> None:
    assert key_of_query(query) == key


@pytest.mark.parametrize(
    ("body", "key"), [({"writeKey": "k"}, "k"), ({"writeKey": "***"}, None), ({"writeKey": 5}, None), ([], None), (None, None)]
)
def test_key_of_body(body: object, key: str | None) -> None:
    assert key_of_body(body) == key


def test_a_ring_finds_a_source_by_its_whole_key_alone() -> None:
    ring = KeyRing(read_sources(["web:browser:wk_one:ss_secret", "shop:server:sk_two"], {}))
    web, shop = ring.find("wk_one"), ring.find("sk_two")
    assert web is not None
    assert shop is not None
    assert (web.name, web.trust, web.signing_secret) == ("web", Trust.CLAIMED, "ss_secret")
    assert (shop.name, shop.trust, shop.signing_secret) == ("shop", Trust.SERVER, None)
    assert [ring.find(key) for key in ("", "wk_on", "wk_one ", "WK_ONE", "web", "\ud800")] == [None] * 6
    assert (ring.named("shop"), ring.named("nobody")) == (shop, None)
    assert not [secret for secret in ("wk_one", "ss_secret") if secret in repr(web)]


@pytest.mark.parametrize(
    "entries",
    [
        ["web"],
        ["web:wk_one"],
        ["web:mobile:wk_one"],
        ["web:browser:"],
        ["web:browser:k"],
        ["we b:browser:wk_one"],
        ["web:browser:wk one"],
        ["web:browser:wk_one:ss:more"],
        ["web:browser:wk_one", "web:server:sk_two"],
        ["web:browser:wk_one", "shop:server:wk_one"],
        ["replay:server:sk_two"],
    ],
)
def test_odd_entries_are_refused_and_keys_not_shown(entries: list[str]) -> None:
    with pytest.raises(SettingsError) as error:
        read_sources(entries, {})
    assert "wk_one" not in str(error.value)


def test_options_of_no_source_are_refused() -> None:
    with pytest.raises(SettingsError, match="wbe"):
        read_sources(["web:browser:wk_one"], {"wbe": SourceOptions()})


def test_what_settings_hold_is_not_written(tmp_path: Path) -> None:
    made = credentials(settings(tmp_path, write_keys="web:browser:wk_one", admin_token=TOKEN))
    assert (made.made, made.made_admin_token, made.admin_token_hash) == (False, None, hash_token(TOKEN))
    assert not (tmp_path / "data").exists()


def test_what_is_made_is_kept_and_shown_once(tmp_path: Path) -> None:
    first, second = credentials(settings(tmp_path)), credentials(settings(tmp_path))
    assert (first.made, second.made, second.made_admin_token) == (True, False, None)
    assert first.made_admin_token is not None
    assert second.admin_token_hash == hash_token(first.made_admin_token)
    assert [source.write_key for source in first.ring.sources] == [source.write_key for source in second.ring.sources]
    assert [source.kind for source in first.ring.sources] == ["browser", "server"]
    file = tmp_path / "data" / FILE_NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.made_admin_token not in file.read_text()
    assert [path.name for path in file.parent.iterdir()] == [FILE_NAME]


def test_settings_given_later_lose_nothing_of_the_file(tmp_path: Path) -> None:
    """Keys were made while the token came from the settings; then the other way round."""
    made = credentials(settings(tmp_path, admin_token=TOKEN))
    later = credentials(settings(tmp_path, write_keys="web:browser:wk_one"))
    assert (later.made, later.made_admin_token is not None) == (True, True)
    again = credentials(settings(tmp_path))
    assert [source.write_key for source in again.ring.sources] == [source.write_key for source in made.ring.sources]
    assert again.admin_token_hash == later.admin_token_hash


def test_a_file_of_looser_mode_is_replaced_by_a_private_one(tmp_path: Path) -> None:
    file = tmp_path / "data" / FILE_NAME
    file.parent.mkdir()
    file.write_text('write_keys = ["web:browser:wk_one"]\n')
    file.chmod(0o644)
    assert credentials(settings(tmp_path)).made_admin_token is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert tomllib.loads(file.read_text())["write_keys"] == ["web:browser:wk_one"]


@pytest.mark.parametrize("text", ["write_keys = [", "write_keys = 5", 'write_keys = ["x"]', "\ud800"])
def test_a_file_that_cannot_be_read_is_not_replaced(tmp_path: Path, text: str) -> None:
    file = tmp_path / "data" / FILE_NAME
    file.parent.mkdir()
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    before = file.read_bytes()
    with pytest.raises(SettingsError):
        credentials(settings(tmp_path))
    assert file.read_bytes() == before


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert key_ring(settings(tmp_path)).sources == ()
    assert not (tmp_path / "data").exists()


def test_the_visitor_secret_is_made_where_it_is_needed_and_stays(tmp_path: Path) -> None:
    keys = "web:browser:wk_web"
    given = settings(tmp_path, write_keys=keys, admin_token=TOKEN)
    credentials(given)
    assert not (given.data / FILE_NAME).exists()
    hidden = settings(tmp_path, write_keys=keys, admin_token=TOKEN, sources={"web": {"cookie_http_only": True}})
    first, again = credentials(hidden), credentials(hidden)
    assert first.ring.visitor_secret == again.ring.visitor_secret
    assert (first.made, again.made) == (False, False)  # nothing that an operator must be shown
    kept = given.data / FILE_NAME
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list(tomllib.loads(kept.read_text())) == ["visitor_secret"]
    credentials(settings(tmp_path, sources={"web": {"cookie_http_only": True}}))
    assert set(tomllib.loads(kept.read_text())) == {"visitor_secret", "write_keys", "admin_token_hash"}
