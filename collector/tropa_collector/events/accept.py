"""A quick yes, generated from the model: is every field of the very JSON type that its definition names?

pydantic is the definition and the judge, but copying an event through it takes longer than parsing it. ``msgspec.convert``
into structs made from the same TypedDicts takes a third of that (loadtests/stages.py). What it accepts pydantic accepts
unchanged (a property test holds the two together); the rest goes to the judge, who says what is wrong, or turns a numeric
id into text.
"""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

import msgspec
from annotated_types import MaxLen, MinLen
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

Accepts = Callable[[dict[str, Any]], bool]


def acceptor(definition: Any) -> Accepts:
    """Whether a parsed event is plainly right for a TypedDict of the model. False means: ask pydantic."""
    struct, convert, refused = _struct(definition), msgspec.convert, msgspec.ValidationError

    def accepts(event: dict[str, Any]) -> bool:
        try:
            convert(event, struct)
        except refused:
            return False
        return True

    return accepts


def _struct(definition: Any) -> type[msgspec.Struct]:
    hints = get_type_hints(definition, include_extras=True)
    needed = {name for name, hint in hints.items() if definition.__total__ and get_origin(hint) is not NotRequired}
    fields = [(name, _type(hint)) if name in needed else (name, _type(hint), None) for name, hint in hints.items()]
    return msgspec.defstruct(definition.__name__, sorted(fields, key=len), gc=False)


def _type(hint: Any) -> Any:
    """The same type without what msgspec does not know."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is NotRequired:
        return _type(arguments[0])
    if origin is Annotated:
        return _bounded(_type(arguments[0]), hint.__metadata__)
    if origin in {Union, UnionType}:
        return Union[tuple(NoneType if part is NoneType else _type(part) for part in arguments)]  # noqa: UP007 - made at run time
    if origin is Literal:
        return str  # the definition was chosen by it
    if origin is list:
        return list[_type(arguments[0])]  # type: ignore[misc] # made at run time
    return _struct(hint) if is_typeddict(hint) else origin or hint


def _bounded(type_: Any, metadata: tuple[Any, ...]) -> Any:
    found = [item for meta in metadata for item in (meta.metadata if isinstance(meta, FieldInfo) else [meta])]
    shortest = next((item.min_length for item in found if isinstance(item, MinLen)), None)
    longest = next((item.max_length for item in found if isinstance(item, MaxLen)), None)
    if shortest is None and longest is None:
        return type_
    return Annotated[type_, msgspec.Meta(min_length=shortest, max_length=longest)]
