"""Calls made by an image: ``GET /v1/pixel/{method}?data=<base64url JSON>``, for mail and pages without scripts."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_to_bytes

from tropa_collector.errors import MalformedBody

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # 1×1, transparent
_URL_SAFE = bytes.maketrans(b"-_ ", b"+/+")  # a "+" that some client decoded as a blank is still a "+"


def decode(query: bytes) -> bytes:
    """The body in ``data`` of a query string. Both alphabets of base64 are read, padded or not, percent-encoded or not.

    Raises:
        MalformedBody: no ``data``, or not base64.
    """
    for field in query.split(b"&"):
        name, _, value = field.partition(b"=")
        if name == b"data":
            return _decode_base64(unquote_to_bytes(value.replace(b"+", b"%2B")))
    raise MalformedBody("A pixel needs ?data= with the call as base64url JSON.")


def _decode_base64(text: bytes) -> bytes:
    digits = text.translate(_URL_SAFE).rstrip(b"=")
    try:
        return base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except binascii.Error as error:
        raise MalformedBody(f"The pixel's data is not base64url: {error}.") from None
