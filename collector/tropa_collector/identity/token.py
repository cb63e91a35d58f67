"""The signed identity of a browser call: a JWT with HS256 and nothing else (RFC 7519, RFC 7515), by the standard library."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any, NamedTuple

MAX_TOKEN_CHARS = 4_096
MAX_AHEAD_SECONDS = 86_400


class Identity(NamedTuple):
    """What a token states."""

    sub: str
    email: str | None = None
    phone: str | None = None


class TokenFault(NamedTuple):
    """Why a token is not believed: a stable reason and a sentence."""

    reason: str
    message: str


MALFORMED = TokenFault("token_malformed", "The identity token is not a JWT in compact form.")
WRONG_ALGORITHM = TokenFault("token_algorithm", "The identity token must be signed with HS256.")
BAD_SIGNATURE = TokenFault("token_signature", "The identity token is not signed with this source's secret.")
NO_EXPIRY = TokenFault("token_expiry", "The identity token needs exp, at most 24 hours ahead.")
EXPIRED = TokenFault("token_expired", "The identity token has expired.")
NO_SUBJECT = TokenFault("token_subject", "The identity token needs sub, the user id, as a string.")
NO_SECRET = TokenFault("token_unexpected", "This source has no signing secret.")


def verify(token: object, secret: bytes, now: float) -> Identity | TokenFault:
    """The identity that a token states, if it was signed with ``secret`` and is of this day.

    The signature is checked before anything in the token is looked at but its algorithm, in constant time.
    """
    if not isinstance(token, str) or not token.isascii() or len(token) > MAX_TOKEN_CHARS or token.count(".") != 2:
        return MALFORMED
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    stated = _decode(header)
    if stated is None:
        return MALFORMED
    if stated.get("alg") != "HS256" or "crit" in stated:
        return WRONG_ALGORITHM
    expected = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    given = _bytes(signature)
    if given is None or not hmac.compare_digest(expected, given):
        return BAD_SIGNATURE
    claims = _decode(payload)
    return MALFORMED if claims is None else _identity(claims, now)


def sign(identity: Identity, secret: bytes, expires: int) -> str:
    """A token as a shop's backend makes it; for tests, examples and the demo."""
    claims = {key: value for key, value in identity._asdict().items() if value is not None} | {"exp": expires}
    signed = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(claims)}"
    return f"{signed}.{_text(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def _identity(claims: dict[str, Any], now: float) -> Identity | TokenFault:
    expires = claims.get("exp")
    if isinstance(expires, bool) or not isinstance(expires, int | float) or not expires <= now + MAX_AHEAD_SECONDS:
        return NO_EXPIRY
    if expires <= now:
        return EXPIRED
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        return NO_SUBJECT
    email, phone = claims.get("email"), claims.get("phone")
    return Identity(subject, email if isinstance(email, str) else None, phone if isinstance(phone, str) else None)


def _decode(part: str) -> dict[str, Any] | None:
    raw = _bytes(part)
    try:
        found = json.loads(raw) if raw is not None else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _bytes(part: str) -> bytes | None:
    """Strict base64url: a part that says the same in another spelling is not the part that was signed."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return None
    return raw if _text(raw) == part else None


def _encode(value: dict[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
