"""Write keys: which source is sending. A browser key is public and writes only; a server key is a secret."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from tropa_collector.errors import SettingsError
from tropa_collector.settings import Settings, SourceOptions
from tropa_collector.store.protocol import Trust

MASK = "***"  # what a client library shows instead of a key
FILE_NAME = "keys.toml"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_KEY = re.compile(r"[!-~]{4,200}")


@dataclass(frozen=True, slots=True)
class Source:
    """Where events come from: one write key, its class and its options."""

    name: str
    kind: Literal["browser", "server"]
    write_key: str = field(repr=False)
    signing_secret: str | None = field(default=None, repr=False)
    options: SourceOptions = SourceOptions()

    @property
    def trust(self) -> Trust:
        return Trust.SERVER if self.kind == "server" else Trust.CLAIMED


class KeyRing:
    """The sources by key. Looked up by a keyed hash of what was sent, so that time tells nothing about the keys."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.sources = tuple(sources)
        self._secret = os.urandom(32)
        self._by_hash = {self._hash(source.write_key): source for source in self.sources}
        self._by_name = {source.name: source for source in self.sources}

    def _hash(self, key: str) -> bytes:
        return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16, key=self._secret).digest()

    def find(self, key: str) -> Source | None:
        source = self._by_hash.get(self._hash(key))
        if source is None or not hmac.compare_digest(source.write_key.encode(), key.encode("utf-8", "surrogatepass")):
            return None
        return source

    def named(self, name: str) -> Source | None:
        return self._by_name.get(name)


def key_of_headers(headers: Mapping[bytes, bytes]) -> str | None:
    """Basic user name (with or without its colon), then ``X-Write-Key``, then Bearer; None when none of them holds a key."""
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"basic" and (key := _basic_user(credentials)):
        return key
    if key := _unmasked(headers.get(b"x-write-key", b"").decode("latin-1")):
        return key
    if scheme.lower() == b"bearer":
        return _unmasked(credentials.decode("latin-1"))
    return None


def _basic_user(credentials: bytes) -> str | None:
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return _unmasked(decoded.partition(b":")[0].decode("utf-8", "replace"))


def _unmasked(key: object) -> str | None:
    return key.strip() if isinstance(key, str) and key.strip() not in {"", MASK} else None


def key_of_body(body: object) -> str | None:
    """``writeKey`` of a body."""
    return _unmasked(body.get("writeKey")) if isinstance(body, dict) else None


def read_sources(entries: Iterable[str], options: Mapping[str, SourceOptions]) -> list[Source]:
    """``name:browser|server:key[:signing secret]`` each.

    Raises:
        SettingsError: an entry of another shape, a name or key used twice, options for a source that does not exist.
    """
    sources: list[Source] = []
    for entry in entries:
        name, kind, key, secret, *rest = (*entry.split(":"), "", "", "")
        if not _NAME.fullmatch(name) or kind not in {"browser", "server"} or not _KEY.fullmatch(key) or any(rest):
            raise SettingsError(f"write_keys: {_hidden(entry)!r} is not name:browser|server:key or name:browser:key:secret.")
        if name == "replay" or any(name == known.name or key == known.write_key for known in sources):
            raise SettingsError(f"write_keys: {name!r} is reserved, or its name or key is used twice.")
        sources.append(
            Source(
                name,
                "browser" if kind == "browser" else "server",
                key,
                secret or None,
                options.get(name, SourceOptions()),
            )
        )
    unknown = sorted(set(options) - {source.name for source in sources})
    if unknown:
        raise SettingsError(f"sources: there are options for {', '.join(unknown)}, but write_keys has no such source.")
    return sources


def _hidden(entry: str) -> str:
    return ":".join(part if place < 2 else "…" for place, part in enumerate(entry.split(":")))


@dataclass(frozen=True, slots=True)
class Credentials:
    """What this collector accepts. ``made`` says that this start made them: they are shown once."""

    ring: KeyRing
    admin_token_hash: str
    made_admin_token: str | None = None
    made: bool = False


def credentials(settings: Settings) -> Credentials:
    """From the settings; what they do not hold is read from ``keys.toml`` in the data directory, or made there.

    Raises:
        SettingsError: the settings or the file cannot be used.
    """
    stored = _stored(settings.data / FILE_NAME)
    entries, token_hash = list(settings.write_keys), None
    if settings.admin_token is not None:
        token_hash = hash_token(settings.admin_token)
    made_token = None
    made = False
    if not entries:
        entries = stored.get("write_keys", [])
        if not entries:
            entries = [
                f"web:browser:wk_{secrets.token_urlsafe(18)}:ss_{secrets.token_urlsafe(32)}",
                f"server:server:sk_{secrets.token_urlsafe(24)}",
            ]
            made = True
    if token_hash is None:
        token_hash = stored.get("admin_token_hash")
        if token_hash is None:
            made_token = secrets.token_urlsafe(24)
            token_hash = hash_token(made_token)
            made = True
    if made:
        _write(
            settings.data / FILE_NAME,
            [] if settings.write_keys else entries,
            None if settings.admin_token else token_hash,
        )
    return Credentials(KeyRing(read_sources(entries, settings.sources)), token_hash, made_token, made)


def hash_token(token: str) -> str:
    """What is kept of the admin token. It is long and random, so one round is enough."""
    return blake2b(token.encode(), digest_size=32, person=b"tropa admin").hexdigest()


def _stored(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read ({error}). Restore it, or remove it to have new keys made.") from None


def _write(path: Path, entries: list[str], token_hash: str | None) -> None:
    lines = ["# Made at first start. Write keys and signing secrets; of the admin token only a hash.\n"]
    if entries:
        lines.append("write_keys = [\n" + "".join(f'  "{entry}",\n' for entry in entries) + "]\n")
    if token_hash:
        lines.append(f'admin_token_hash = "{token_hash}"\n')
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(lines)
