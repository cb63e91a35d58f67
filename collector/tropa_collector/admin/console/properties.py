"""What a sample of events holds: its properties with types, share filled, examples; and a JSON Schema of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

MAX_PROPERTIES = 300  # of one event: a sender that invents keys must not grow the page without end
MAX_EXAMPLES = 3
MAX_EXAMPLE_CHARS = 60
MAX_DEPTH = 3
OTHER: Final = "(other)"
Sample = Sequence[tuple[int, Mapping[str, Any]]]


@dataclass(slots=True)
class Property:
    """One property of a sample, by its path: ``products[].price``."""

    name: str
    types: Counter[str] = field(default_factory=Counter)
    events: int = 0
    first_at: int = 0
    last_at: int = 0
    examples: list[str] = field(default_factory=list)

    def see(self, value: Any) -> None:
        self.types[type_of(value)] += 1
        if not isinstance(value, dict | list) and value is not None and len(self.examples) < MAX_EXAMPLES:
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            if (cut := text[:MAX_EXAMPLE_CHARS]) not in self.examples:
                self.examples.append(cut)


def describe(sample: Sample) -> dict[str, Property]:
    """The properties of a sample's events by name, in the order in which they were met."""
    found: dict[str, Property] = {}
    for at, values in sample:
        seen: set[str] = set()
        for name, value in _flat(values, "", 0):
            if name not in found and len(found) >= MAX_PROPERTIES:
                name = OTHER  # noqa: PLW2901 - counted under a name of their own
            entry = found.setdefault(name, Property(name, first_at=at, last_at=at))
            entry.see(value)
            if name not in seen:
                seen.add(name)
                entry.events += 1
                entry.first_at, entry.last_at = min(entry.first_at, at), max(entry.last_at, at)
    return found


def changes(now: Mapping[str, Property], before: Mapping[str, Property]) -> dict[str, list[str]]:
    """Names that are new, gone, or of other types than they were."""
    return {
        "new": [name for name in now if name not in before],
        "gone": [name for name in before if name not in now],
        "retyped": [name for name in now if name in before and not set(now[name].types) <= set(before[name].types) | {"null"}],
    }


def json_schema(type_: str, name: str, sample: Sample) -> dict[str, Any]:
    """What the sample's events have in common, as JSON Schema 2020-12; required is what each of them holds."""
    holder = "traits" if type_ in {"identify", "group"} else "properties"
    content = _object_schema([values for _, values in sample], 0)
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name or type_,
        "type": "object",
        "properties": {"type": {"const": type_}, holder: content},
        "required": ["type"] + ([holder] if content.get("required") else []),
    }
    if name:
        field_ = "event" if type_ == "track" else "name"
        schema["properties"][field_] = {"const": name}
        schema["required"].append(field_)
    return schema


def type_of(value: Any) -> str:
    """As JSON Schema names it."""
    if value is None:
        return "null"
    names = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"))
    return next((name for kind, name in names if isinstance(value, kind)), "object")


def _flat(value: Mapping[str, Any], path: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        name = f"{path}.{key}" if path else key
        yield name, item
        if depth < MAX_DEPTH and isinstance(item, dict):
            yield from _flat(item, name, depth + 1)
        elif depth < MAX_DEPTH and isinstance(item, list):
            for part in item:
                if isinstance(part, dict):
                    yield from _flat(part, f"{name}[]", depth + 1)


def _schema(values: Sequence[Any], depth: int) -> dict[str, Any]:
    types = sorted({type_of(value) for value in values})
    if "number" in types and "integer" in types:
        types.remove("integer")
    schema: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
    objects = [value for value in values if isinstance(value, dict)]
    lists = [part for value in values if isinstance(value, list) for part in value]
    if objects and depth < MAX_DEPTH:
        schema |= _object_schema(objects, depth + 1) | {"type": schema["type"]}
    if lists and depth < MAX_DEPTH:
        schema["items"] = _schema(lists, depth + 1)
    return schema


def _object_schema(objects: Sequence[Mapping[str, Any]], depth: int) -> dict[str, Any]:
    names = list(dict.fromkeys(name for one in objects for name in one))[:MAX_PROPERTIES]
    properties = {name: _schema([one[name] for one in objects if name in one], depth) for name in names}
    required = [name for name in names if all(name in one for one in objects)]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def rows(found: Iterable[Property], events: int) -> list[dict[str, Any]]:
    """Plain values for a page, the fullest first."""
    ordered = sorted(found, key=lambda one: -one.events)
    return [
        {
            "name": one.name,
            "types": [{"name": name, "count": count} for name, count in one.types.most_common()],
            "events": one.events,
            "share": 100 * one.events / events,
            "first_at": one.first_at,
            "last_at": one.last_at,
            "examples": one.examples,
        }
        for one in ordered
    ]
