"""What a request names: the fields of a form, the number of a row."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from tropa_collector.errors import MalformedBody, NotFound, PayloadTooLarge

MAX_BYTES = 1_000_000
MAX_FIELDS = 50


async def sent(request: Request) -> dict[str, str]:
    """The fields of an urlencoded form by name; of a repeated one the last.

    Raises:
        MalformedBody: more fields than any form here has.
        PayloadTooLarge: a body past ``MAX_BYTES``.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise PayloadTooLarge(f"A form here has at most {MAX_BYTES} bytes.")
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise MalformedBody(f"A form here has at most {MAX_FIELDS} fields.") from None


def row_id(request: Request, name: str) -> int:
    """The number in a path.

    Raises:
        NotFound: larger than any row's.
    """
    number = int(request.path_params[name])
    if number >= 1 << 63:
        raise NotFound("There is no such row.")
    return number
