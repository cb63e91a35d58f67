"""The one definition of an event and of a batch, from which ``schemas/`` is generated.

Field names and meanings are those of the Segment specification (Common Fields, and one page for each call), in camelCase
as senders write them. Unknown fields are kept. ``null`` stands for "absent" wherever a field is optional.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict, TypeAdapter, with_config
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict  # typing's own hides what pydantic must see before 3.12

TYPES: Final = ("identify", "track", "page", "screen", "group", "alias")
MESSAGE_ID_CHARS: Final = 200
EVENT_NAME_CHARS: Final = 255


class _NumbersToo:
    """Ids that arrive as JSON numbers become strings: backends send database keys as they have them."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return {**handler(source), "coerce_numbers_to_str": True}

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "type": ["string", "number"]}


Id = Annotated[str, _NumbersToo()]
MessageId = Annotated[str, _NumbersToo(), Field(max_length=MESSAGE_ID_CHARS)]
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class _AsItIs:
    """A JSON object whose content is the sender's own: checked to be one, not copied (the walk in normalise looks inside)."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(dict, cls_repr="object")

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "object", "additionalProperties": True}


Map = Annotated[dict[str, Any], _AsItIs()]
_KEEP = ConfigDict(extra="allow")


@with_config(_KEEP)
class Page(TypedDict, total=False):
    """Where in the browser a call was made."""

    path: str | None
    referrer: str | None
    search: str | None
    title: str | None
    url: str | None


@with_config(_KEEP)
class Campaign(TypedDict, total=False):
    """The campaign that led here, as the sender names it (UTM without the prefix)."""

    name: str | None
    source: str | None
    medium: str | None
    term: str | None
    content: str | None


@with_config(_KEEP)
class Library(TypedDict, total=False):
    """The client library that made the call."""

    name: str | None
    version: str | None


@with_config(_KEEP)
class Context(TypedDict, total=False):
    """What surrounds a call: where, on what, through which library."""

    active: Annotated[bool, Strict()] | None  # "yes" and 1 are no JSON booleans
    app: Map | None
    campaign: Campaign | None
    consent: Map | None
    device: Map | None
    externalIds: list[Map] | None
    groupId: Id | None
    identity: Map | None
    ip: str | None
    library: Library | None
    locale: str | None
    location: Map | None
    network: Map | None
    os: Map | None
    page: Page | None
    referrer: Map | None
    screen: Map | None
    timezone: str | None
    traits: Map | None
    userAgent: str | None
    userAgentData: Map | None


class Common(TypedDict):
    """Fields of every call."""

    messageId: NotRequired[MessageId | None]
    anonymousId: NotRequired[Id | None]
    userId: NotRequired[Id | None]
    timestamp: NotRequired[Timestamp | None]
    originalTimestamp: NotRequired[Timestamp | None]
    sentAt: NotRequired[Timestamp | None]
    context: NotRequired[Context | None]
    integrations: NotRequired[Map | None]


@with_config(_KEEP)
class Identify(Common):
    """Who the visitor is: an id and traits."""

    type: Literal["identify"]
    traits: NotRequired[Map | None]


@with_config(_KEEP)
class Track(Common):
    """What the visitor did."""

    type: Literal["track"]
    event: Annotated[str, Field(min_length=1, max_length=EVENT_NAME_CHARS)]
    properties: NotRequired[Map | None]


@with_config(_KEEP)
class PageView(Common):
    """A web page seen."""

    type: Literal["page"]
    name: NotRequired[str | None]
    category: NotRequired[str | None]
    properties: NotRequired[Map | None]


@with_config(_KEEP)
class Screen(Common):
    """A screen of an app seen."""

    type: Literal["screen"]
    name: NotRequired[str | None]
    category: NotRequired[str | None]
    properties: NotRequired[Map | None]


@with_config(_KEEP)
class Group(Common):
    """The visitor belongs to a company, an account, a household."""

    type: Literal["group"]
    groupId: Annotated[str, _NumbersToo(), Field(min_length=1)]
    traits: NotRequired[Map | None]


@with_config(_KEEP)
class Alias(Common):
    """Two ids are one person's."""

    type: Literal["alias"]
    previousId: Annotated[str, _NumbersToo(), Field(min_length=1)]
    userId: Annotated[str, _NumbersToo(), Field(min_length=1)]  # type: ignore[misc] # required here, optional elsewhere


AnyEvent = Annotated[Identify | Track | PageView | Screen | Group | Alias, Field(discriminator="type")]


@with_config(_KEEP)
class Batch(TypedDict):
    """The body of ``/v1/batch``: ``context`` and ``integrations`` here are merged into each item, the item wins."""

    batch: list[AnyEvent]
    sentAt: NotRequired[Timestamp | None]
    context: NotRequired[Context | None]
    integrations: NotRequired[Map | None]
    writeKey: NotRequired[str | None]
    batchId: NotRequired[str | None]


#: By type: choosing the definition is cheaper than pydantic's tagged union, and the paths of its errors are the event's own.
DEFINITIONS: Final[dict[str, Any]] = {
    "identify": Identify,
    "track": Track,
    "page": PageView,
    "screen": Screen,
    "group": Group,
    "alias": Alias,
}
ADAPTERS: Final[dict[str, TypeAdapter[Any]]] = {type_: TypeAdapter(definition) for type_, definition in DEFINITIONS.items()}
