"""The browser's signed identity: what only the shop's backend can say about its visitor."""

from __future__ import annotations

import json
import time

_LONGEST_SECONDS = 24 * 60 * 60


def identity_token(  # noqa: PLR0913 - the token's claims
    secret: str,
    user_id: str | int,
    *,
    email: str | None = None,
    phone: str | None = None,
    expires_in: int = 3_600,
    now: float | None = None,
) -> str:
    """A JWT (RFC 7519, HS256) for the page to hand to the snippet: this visitor is ``user_id``.

    ``secret`` is the signing secret of the browser source, ``expires_in`` seconds, at most 24 hours.

    Raises:
        ValueError: no secret, no user id, or a time the collector would refuse.
    """
    if not secret:
        raise ValueError("secret must be the source's signing secret")
    if not str(user_id).strip():
        raise ValueError("user_id must not be empty")
    if not 0 < expires_in <= _LONGEST_SECONDS:
        raise ValueError("expires_in must be between 1 and 86400 seconds")
    import hmac  # noqa: PLC0415 - most hosts sign nothing, and every host imports this module

    issued_at = int(time.time() if now is None else now)
    claims = {"sub": str(user_id), "email": email, "phone": phone, "iat": issued_at, "exp": issued_at + expires_in}
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part({k: v for k, v in claims.items() if v is not None})}"
    return f"{signed}.{_base64url(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"


def _part(value: dict[str, object]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(value: bytes) -> str:
    from base64 import urlsafe_b64encode  # noqa: PLC0415

    return urlsafe_b64encode(value).rstrip(b"=").decode()
