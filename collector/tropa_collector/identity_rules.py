"""What the settings say of who is who, as the planner and the reading of identifiers take it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from tropa_collector.identity.blocked import BlockedValue, own_rules
from tropa_collector.identity.identifiers import Scope
from tropa_collector.identity.policy import (
    DAY,
    DEVICE,
    PASSIVE,
    POINT,
    TRAIT_STRATEGIES,
    UNIQUE,
    Kind,
    Policy,
    StrategyName,
    kind_table,
)
from tropa_collector.settings import Settings

_CLASSES: Final = {"unique": UNIQUE, "point": POINT, "device": DEVICE, "passive": PASSIVE}


def policy_of(settings: Settings) -> Policy:
    """How identifiers become contacts."""
    return Policy(
        kinds=kind_table(_changed_kinds(settings)),
        device_policy=settings.device_policy,
        shared_device_policy=settings.shared_device_policy,
        history=None if settings.history_from == "all" else int(settings.history_from) * DAY,
        trait_strategies={**TRAIT_STRATEGIES, **_strategies(settings)},
    )


def scope_of(settings: Settings, **of_source: Any) -> Scope:
    """How the events of one source are read for identifiers; ``of_source`` are the fields of a ``Scope`` that are its own."""
    common = {"policy": policy_of(settings), "email_rules": frozenset(settings.email_rules), "blocked": blocked_by(settings)}
    return Scope(**{**common, "default_region": settings.default_country, **of_source})


def blocked_by(settings: Settings) -> tuple[BlockedValue, ...]:
    """The operator's own rules about values."""
    return own_rules(settings.blocked_values, "block") + own_rules(settings.no_merge_values, "no_merge")


def _changed_kinds(settings: Settings) -> Iterator[Kind]:
    """A family before its members, which are made after it."""
    table = kind_table()
    for name, options in sorted(settings.kinds.items()):
        kind = table[name]
        strength = kind.strength if options.strength is None else _CLASSES[options.strength]
        table[name] = kind._replace(
            strength=strength, priority=options.priority or kind.priority, limit=options.limit or kind.limit
        )
        yield table[name]


def _strategies(settings: Settings) -> dict[str, StrategyName]:
    pairs = (entry.rpartition("=") for entry in settings.trait_strategies)
    return {trait: cast("StrategyName", strategy) for trait, _, strategy in pairs}
