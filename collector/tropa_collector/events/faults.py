"""What is said of an event that the model refuses: pydantic's first error in the words of this field."""

from __future__ import annotations

from pydantic import ValidationError

from tropa_collector.events.normalise import Fault, dump

_CODES = {
    "missing": "missing_field",
    "string_too_short": "missing_field",
    "string_too_long": "string_too_long",
    "too_long": "list_too_long",
}
_NEEDS = {
    "event": 'A track call needs `event`: the name of what happened, such as "Order Completed".',
    "groupId": "A group call needs `groupId`: the id of the company or account.",
    "previousId": "An alias call needs `previousId`: the id that was used before.",
    "userId": "An alias call needs `userId`: the id from now on.",
}


def fault_of(error: ValidationError) -> Fault:
    first = error.errors(include_url=False, include_context=True)[0]
    steps = first["loc"]
    path = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    code = _CODES.get(first["type"], "wrong_type")
    last = str(steps[-1]) if steps else ""
    if (last in _NEEDS and len(steps) == 1 and first["input"] in (None, "")) or code == "missing_field":
        return Fault("missing_field", path, _NEEDS.get(last, f"`{last}` is required."))
    if code != "wrong_type":
        return Fault(code, path, f"{first['msg']}.")
    if len(steps) == 1 and last in _TIMES:
        return Fault(code, path, no_time(first["input"]))
    return Fault(code, path, f"{_EXPECTED.get(first['type'], first['msg'])}, not {kind_of(first['input'])}.")


_TIMES = frozenset({"timestamp", "originalTimestamp", "sentAt"})
_EXPECTED = {
    "string_type": "This must be a string",
    "is_instance_of": "This must be an object",
    "dict_type": "This must be an object",
    "list_type": "This must be a list",
    "bool_type": "This must be true or false",
    "bool_parsing": "This must be true or false",
}


def no_time(value: object) -> str:
    return f"{shown(value)} is not an ISO 8601 time such as 2026-11-21T20:31:35.253Z."


def kind_of(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), "a value")


def shown(value: object) -> str:
    text = dump(value).decode("utf-8", "replace")
    return text if len(text) <= 60 else text[:57] + "…"
