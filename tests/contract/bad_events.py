"""Every kind of bad event: the files of schemas/examples/invalid, and those that no JSON file can hold or should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"


class Kind(NamedTuple):
    """A bad event as its sender writes it, and what must be said about it."""

    name: str
    text: str
    code: str
    path: str
    message_id: str | None
    cure: str | None = None  # the setting that, raised, makes a good event of it


def _of_file(file: Path) -> Kind:
    case = json.loads(file.read_text("utf-8"))
    event = case["event"]
    message_id = event.get("messageId") if isinstance(event, dict) else None
    shown = message_id[:200] if isinstance(message_id, str) else None
    return Kind(file.stem, json.dumps(event, ensure_ascii=False), case["code"], case["path"], shown)


def _track(name: str, properties: str, code: str, path: str, cure: str | None = None) -> Kind:
    text = f'{{"type":"track", "event":"Product Viewed",\t"messageId":"bad-{name}","anonymousId":"a","properties":{properties}}}'
    return Kind(name, text, code, path, f"bad-{name}", cure)


def _nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def _map(keys: int) -> str:
    return json.dumps({f"k{n}": n for n in range(keys)})


def kinds() -> list[Kind]:
    """In a stable order."""
    files = [_of_file(file) for file in sorted((EXAMPLES / "invalid").glob("*.json"))]
    long = "x" * 16_385
    return [
        *files,
        _track("nan", '{"price":NaN}', "number_not_finite", "$.properties.price"),
        _track("infinity", '{"price":-Infinity}', "number_not_finite", "$.properties.price"),
        _track("huge-number", '{"price":[1,1e999]}', "number_not_finite", "$.properties.price[1]"),
        _track("integer-past-64-bits", '{"n":9223372036854775808}', "integer_out_of_range", "$.properties.n"),
        _track("integer-below-64-bits", '{"n":-9223372036854775809}', "integer_out_of_range", "$.properties.n"),
        _track("integer-of-5000-digits", '{"n":' + "9" * 5_000 + "}", "number_not_finite", "$.properties.n"),
        _track("too-deep", _nested(64), "too_deep", "$.properties" + ".a" * 63, "max_depth"),
        _track("far-too-deep", _nested(5_000), "too_deep", "$.properties" + ".a" * 63),
        _track("string-too-long", f'{{"a":"{long}"}}', "string_too_long", "$.properties.a", "max_string_chars"),
        _track("key-too-long", f'{{"{long}":1}}', "string_too_long", '$.properties["' + "x" * 100 + '…"]', "max_string_chars"),
        _track("list-too-long", json.dumps({"a": [0] * 1_001}), "list_too_long", "$.properties.a", "max_list_items"),
        _track("map-too-large", _map(501), "map_too_large", "$.properties", "max_map_items"),
        _track("event-too-large", json.dumps({f"k{n}": "x" * 4_000 for n in range(9)}), "event_too_large", "$", "max_event_bytes"),
    ]


RAISED: dict[str, Any] = {
    "max_depth": 120,
    "max_string_chars": 40_000,
    "max_list_items": 5_000,
    "max_map_items": 5_000,
    "max_event_bytes": 100_000,
}


def batch_with(kind: Kind, position: int, good: list[str]) -> bytes:
    """A batch body in which ``kind`` stands at ``position`` among good events."""
    items = [*good[:position], kind.text, *good[position:]]
    return ('{"batch": [' + " ,\n".join(items) + "]}").encode()
