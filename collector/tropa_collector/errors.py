"""One error tree. A leaf carries a stable ``code`` and the HTTP ``status`` that a client should see.

TropaError
├── SettingsError                       the operator's: wrong setting, wrong file
├── StoreError                          the operator's: data directory locked, schema too new, file corrupted
└── RequestError                        the sender's or the moment's: mapped to an HTTP answer in receive/replies.py
    ├── MalformedBody          400      not JSON, not the compression it claims to be
    ├── UnknownKey             401      no write key, or one that no source has
    ├── Forbidden              403      an origin outside the source's allowed_origins
    ├── NotFound               404
    ├── MethodNotAllowed       405
    ├── Conflict               409      an operator's request that the data does not allow
    ├── RequestTimeout         408      the body did not arrive in time
    ├── PayloadTooLarge        413      past max_body_bytes or max_batch_events
    ├── RateLimited            429      + Retry-After
    └── Unavailable            503      + Retry-After: overloaded, store down, disk full, stopping

Rejection is not an exception: one bad event among good neighbours is data (events/model.py).
"""

from __future__ import annotations


class TropaError(Exception):
    """Everything that Tropa raises on purpose."""


class SettingsError(TropaError):
    """A setting cannot be used; the message names it and says what would be accepted."""


class StoreError(TropaError):
    """The store cannot be opened or has been damaged; the message says what to do."""


class RequestError(TropaError):
    """A request that is answered with ``status`` and ``{"success": false, "code", "message"}``."""

    status = 400
    code = "bad_request"

    def __init__(self, message: str, *, code: str | None = None, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.retry_after_seconds = retry_after_seconds


class MalformedBody(RequestError):
    code = "malformed_body"


class UnknownKey(RequestError):
    status = 401
    code = "unknown_write_key"


class Forbidden(RequestError):
    status = 403
    code = "origin_not_allowed"


class NotFound(RequestError):
    status = 404
    code = "not_found"


class MethodNotAllowed(RequestError):
    status = 405
    code = "method_not_allowed"


class Conflict(RequestError):
    status = 409
    code = "conflict"


class RequestTimeout(RequestError):
    status = 408
    code = "request_timeout"


class PayloadTooLarge(RequestError):
    status = 413
    code = "payload_too_large"


class RateLimited(RequestError):
    status = 429
    code = "rate_limited"


class Unavailable(RequestError):
    status = 503
    code = "unavailable"
