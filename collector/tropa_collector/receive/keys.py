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
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

from tropa_collector.errors import SettingsError
from tropa_collector.settings import Settings, SourceOptions
from tropa_collector.store.protocol import Trust

MASK = "***"  # what a client library shows instead of a key
FILE_NAME = "keys.toml"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_KEY = re.compile(r"[!-~]{4,200}")
_MAX_QUERY_FIELDS = 100


@dataclass(frozen=True, slots=True)
class Source:
    """Where events come from: one write key, its class and its options."""

    name: str
    kind: Literal["browser", "server"]
    write_key: str = field(repr=False)
    signing_secret: str | None = field(default=None, repr=False)
    options: SourceOptions = field(default_factory=SourceOptions)

    @property
    def trust(self) -> Trust:
        return Trust.SERVER if self.kind == "server" else Trust.CLAIMED


class KeyRing:
    """The sources by key. Looked up by a keyed hash of what was sent, so that time tells nothing about the keys.

    ``visitor_secret`` makes the anonymous ids of sources with ``cookie_http_only``.
    """

    def __init__(self, sources: Iterable[Source], visitor_secret: bytes | None = None) -> None:
        self.sources = tuple(sources)
        self.visitor_secret = visitor_secret or os.urandom(32)
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
    digits = credentials.strip().rstrip(b"=")
    try:
        decoded = base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return _unmasked(decoded.partition(b":")[0].decode("utf-8", "replace"))


def _unmasked(key: object) -> str | None:
    return key.strip() if isinstance(key, str) and key.strip() not in {"", MASK} else None


def key_of_query(query: bytes) -> str | None:
    """``?writeKey=``, the first of them."""
    for field_ in query.split(b"&", _MAX_QUERY_FIELDS)[:_MAX_QUERY_FIELDS]:
        name, _, value = field_.partition(b"=")
        if name == b"writeKey" and (key := _unmasked(unquote_to_bytes(value).decode("utf-8", "replace"))):
            return key
    return None


def key_of_body(body: object) -> str | None:
    """``writeKey`` of a body."""
    return _unmasked(body.get("writeKey")) if isinstance(body, dict) else None


def read_sources(entries: Iterable[str], options: Mapping[str, SourceOptions]) -> list[Source]:
    """``name:browser|server:key[:signing secret]`` each.

    Raises:
        SettingsError: an entry of another shape, a name or key used twice, options for a source that does not exist.
    """
    sources: list[Source] = []
    for number, entry in enumerate(entries, start=1):
        name, kind, key, secret, *rest = (*entry.split(":"), "", "", "")
        if not _NAME.fullmatch(name) or kind not in {"browser", "server"} or not _KEY.fullmatch(key) or any(rest):
            # What stands there is not shown: in an entry of another shape any part may be the key.
            raise SettingsError(f"write_keys: entry {number} is not name:browser|server:key or name:browser:key:secret.")
        if name in {"import", "replay"} or any(name == known.name or key == known.write_key for known in sources):
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
    entries = settings.write_keys or stored.write_keys or _new_entries()
    made_token = None
    if settings.admin_token is not None:
        token_hash = hash_token(settings.admin_token)
    elif stored.admin_token_hash is not None:
        token_hash = stored.admin_token_hash
    else:
        made_token = secrets.token_urlsafe(24)
        token_hash = hash_token(made_token)
    sources = read_sources(entries, settings.sources)
    visitor_secret = stored.visitor_secret
    if visitor_secret is None and any(source.options.cookie_http_only for source in sources):
        visitor_secret = secrets.token_hex(32)
    kept = _Stored(
        stored.write_keys if settings.write_keys else tuple(entries),
        stored.admin_token_hash if settings.admin_token is not None else token_hash,
        visitor_secret,
    )
    if kept != stored:
        _keep(settings.data / FILE_NAME, kept)
    ring = KeyRing(sources, None if visitor_secret is None else visitor_secret.encode())
    return Credentials(ring, token_hash, made_token, kept[:2] != stored[:2])


def key_ring(settings: Settings) -> KeyRing:
    """The sources there are; unlike :func:`credentials` it makes none.

    Raises:
        SettingsError: the settings or the file cannot be used.
    """
    entries = settings.write_keys or _stored(settings.data / FILE_NAME).write_keys
    return KeyRing(read_sources(entries, settings.sources if entries else {}))


def _new_entries() -> tuple[str, ...]:
    return (
        f"web:browser:wk_{secrets.token_urlsafe(18)}:ss_{secrets.token_urlsafe(32)}",
        f"server:server:sk_{secrets.token_urlsafe(24)}",
    )


def hash_token(token: str) -> str:
    """What is kept of the admin token. It is long and random, so one round is enough."""
    return blake2b(token.encode(), digest_size=32, person=b"tropa admin").hexdigest()


class _Stored(NamedTuple):
    """The content of ``keys.toml``."""

    write_keys: tuple[str, ...] = ()
    admin_token_hash: str | None = None
    visitor_secret: str | None = None


def _stored(path: Path) -> _Stored:
    if not path.is_file():
        return _Stored()
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        keys = tuple(map(str, content.get("write_keys", ())))
        return _Stored(keys, content.get("admin_token_hash"), content.get("visitor_secret"))
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"{path} cannot be read ({error}). Restore it, or remove it to have new keys made.") from None


def _keep(path: Path, kept: _Stored) -> None:
    try:
        _write(path, kept)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({error.strerror}). Choose another --data.") from None


def _write(path: Path, kept: _Stored) -> None:
    """The whole file or, should the machine stop now, the one before it."""
    lines = ["# Made at first start. Write keys and signing secrets; of the admin token only a hash.\n"]
    if kept.write_keys:
        lines.append("write_keys = [\n" + "".join(f'  "{entry}",\n' for entry in kept.write_keys) + "]\n")
    if kept.admin_token_hash:
        lines.append(f'admin_token_hash = "{kept.admin_token_hash}"\n')
    if kept.visitor_secret:
        lines.append(f'visitor_secret = "{kept.visitor_secret}"\n')
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
