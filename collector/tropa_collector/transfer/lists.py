"""Everything of a kind, out of the store that the settings name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from tropa_collector.errors import StoreError
from tropa_collector.settings import Settings
from tropa_collector.store.sqlite.file import FILE_NAME
from tropa_collector.store.sqlite.reading import listing

Rows = Callable[..., Iterator[Mapping[str, Any]]]


class Lists(NamedTuple):
    """The functions of a store's ``listing``, over the store."""

    trait_names: Callable[[], list[str]]
    events: Rows
    contacts: Rows


def lists_of(settings: Settings) -> Lists:
    """Of the embedded store or of PostgreSQL.

    Raises:
        StoreError: there is no store.
    """
    if settings.store != "sqlite":
        from tropa_collector.store.postgres.reading import listing as shared  # noqa: PLC0415 - asyncpg is an extra

        url = settings.store
        return Lists(partial(shared.trait_names, url), partial(shared.list_events, url), partial(shared.list_contacts, url))
    file = settings.data / FILE_NAME
    if not file.is_file():
        raise StoreError(f"There is no store in {settings.data}.")
    return Lists(partial(listing.trait_names, file), partial(listing.list_events, file), partial(listing.list_contacts, file))


def key_counter_of(settings: Settings) -> tuple[Callable[..., int], Callable[[], None]] | None:
    """How many of some keys are stored already, and how to end asking; None when there is no store yet."""
    if settings.store != "sqlite":
        from tropa_collector.store.postgres.reading import listing as shared  # noqa: PLC0415 - asyncpg is an extra

        return shared.key_counter(settings.store)
    return listing.key_counter(settings.data / FILE_NAME)
