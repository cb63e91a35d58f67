"""A quick yes, generated from the model: is every field of the very JSON type that its definition names?

:func:`acceptor` asks that of a parsed event, :func:`merged` makes a type that says so while it is decoded (events/plain.py).
pydantic is the definition and the judge, but copying an event through it takes longer than parsing it. ``msgspec.convert``
into structs made from the same TypedDicts takes a third of that (loadtests/stages.py). What it accepts pydantic accepts
unchanged (a property test holds the two together); the rest goes to the judge, who says what is wrong, or turns a numeric
id into text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Required, Union, get_args, get_origin, get_type_hints

import msgspec
from annotated_types import MaxLen, MinLen
from pydantic.fields import FieldInfo
from typing_extensions import TypedDict, is_typeddict

Accepts = Callable[[dict[str, Any]], bool]
More = Mapping[str, Sequence[str]]  # fields of any value, by the name of the definition that does not have them

LEVELS = 4  # inside a map of the sender's own
DEPTH = LEVELS + 4  # of the deepest event that is decoded: itself, context, a list of maps in it, one of those


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


def merged(definitions: Mapping[str, Any], more: More) -> Any:
    """One ``TypedDict`` for events of several types; only ``type`` is required.

    Raises:
        ValueError: two definitions name a field alike and mean something else.
    """
    named: dict[str, Any] = {}
    for definition in definitions.values():
        hints = {name: _optional(hint) for name, hint in _hints(definition).items()}
        if any(named.get(name, hint) != hint for name, hint in hints.items() if name != "type"):
            raise ValueError(f"{definition.__name__} says otherwise of a field than the definitions before it.")
        named |= hints
    types: Any = Required[Literal[tuple(definitions)]]  # in its own place: a field is looked for behind the one before it
    return _typeddict("Event", {**_decoded(named, more), "type": types, **dict.fromkeys(more["Event"], _value(LEVELS))})


def needed(definition: Any) -> frozenset[str]:
    """The fields that an event must have."""
    hints = _hints(definition).items()
    return frozenset(name for name, hint in hints if definition.__total__ and get_origin(hint) is not NotRequired)


def decodable(definition: Any, more: More, **required: Any) -> Any:
    """A ``TypedDict`` of the model as msgspec decodes it; ``required`` stand in place of its own and are all that is."""
    hints = {name: _optional(hint) for name, hint in _hints(definition).items() if name not in required}
    others = dict.fromkeys(more.get(definition.__name__, ()), _value(LEVELS))
    return _typeddict(
        definition.__name__, {**_decoded(hints, more), **others, **{name: Required[hint] for name, hint in required.items()}}
    )


def _decoded(hints: Mapping[str, Any], more: More) -> dict[str, Any]:
    into = _Into(lambda definition: decodable(definition, more), dict[str, _value(LEVELS)])  # type: ignore[misc] # made at run time
    return {name: _type(hint, into) for name, hint in hints.items()}


def _value(levels: int) -> Any:
    """Any JSON value of at most so many levels: nobody has to count them again."""
    scalars = (str, int, float, bool, None)
    inner: tuple[Any, ...] = ()
    if levels:
        below = _value(levels - 1)
        inner = (list[below], dict[str, below])  # type: ignore[valid-type] # made at run time
    return Union[scalars + inner]  # noqa: UP007 - likewise


def _typeddict(name: str, fields: dict[str, Any]) -> Any:
    return TypedDict(name, fields, total=False)  # type: ignore[operator] # likewise


def _hints(definition: Any) -> dict[str, Any]:
    return get_type_hints(definition, include_extras=True)


def _optional(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is NotRequired else hint


def _struct(definition: Any) -> type[msgspec.Struct]:
    types = {name: _type(_optional(hint), _Into(_struct, dict)) for name, hint in _hints(definition).items()}
    always = needed(definition)
    fields = [(name, type_) if name in always else (name, type_, None) for name, type_ in types.items()]
    return msgspec.defstruct(definition.__name__, sorted(fields, key=len), gc=False)


class _Into(NamedTuple):
    """What stands for a definition, and for a map of the sender's own."""

    of: Callable[[Any], Any]
    map: Any


def _type(hint: Any, into: _Into) -> Any:
    """The same type without what msgspec does not know."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _bounded(_type(arguments[0], into), hint.__metadata__)
    if origin in {Union, UnionType}:
        return Union[tuple(NoneType if part is NoneType else _type(part, into) for part in arguments)]  # noqa: UP007 - made at run time
    if origin is Literal:
        return str  # the definition was chosen by it
    if origin is list:
        return list[_type(arguments[0], into)]  # type: ignore[misc] # made at run time
    if origin is dict:
        return into.map
    return into.of(hint) if is_typeddict(hint) else origin or hint


def _bounded(type_: Any, metadata: tuple[Any, ...]) -> Any:
    found = [item for meta in metadata for item in (meta.metadata if isinstance(meta, FieldInfo) else [meta])]
    shortest = next((item.min_length for item in found if isinstance(item, MinLen)), None)
    longest = next((item.max_length for item in found if isinstance(item, MaxLen)), None)
    if shortest is None and longest is None:
        return type_
    return Annotated[type_, msgspec.Meta(min_length=shortest, max_length=longest)]
