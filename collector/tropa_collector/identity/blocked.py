"""Values that identify nobody: what broken templates, empty forms and test data put into identifier fields."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

Action = Literal["block", "no_merge"]
MAX_STARS = 3  # a glob of few stars over 255 characters costs microseconds; a regular expression may cost for ever


class BlockedValue(NamedTuple):
    """An operator's own rule: ``pattern`` is matched against the normalised, case-folded value; ``*`` stands for anything."""

    kind: str  # "*" for every kind
    pattern: str
    action: Action = "block"


def own_rules(entries: Iterable[str], action: Action) -> tuple[BlockedValue, ...]:
    """Rules written ``kind:pattern``.

    Raises:
        ValueError: one that is written otherwise, matches everything, or has more stars than can be matched in a moment.
    """
    rules = []
    for entry in entries:
        kind, _, pattern = entry.partition(":")
        if not kind or not pattern.strip("*"):
            raise ValueError(f"{entry!r} is not kind:value, such as email:*@corp.example or *:test-user")
        if pattern.count("*") > MAX_STARS:
            raise ValueError(f"{entry!r} has more than {MAX_STARS} stars")
        rules.append(BlockedValue(kind, pattern, action))
    return tuple(rules)


def own_rule(rules: tuple[BlockedValue, ...], kind: str, value: str) -> Action | Literal[""]:
    """What the operator's rules say of a value; the first that matches decides."""
    folded = value.casefold()
    for rule in rules:
        if rule.kind in ("*", kind) and _matches(folded, rule.pattern):
            return rule.action
    return ""


def _matches(folded: str, pattern: str) -> bool:
    literal = pattern.casefold().replace("[", "[[]").replace("?", "[?]")
    return fnmatchcase(folded, literal)


WORDS = frozenset((
    "-1", "null", "nil", "none", "nan", "undefined", "void", "n/a", "na", "unknown", "not_set", "(not set)", "anonymous",
    "guest", "visitor", "true", "false", "user_id", "userid", "distinct_id", "distinctid", "anonymous_id", "customer_id",
    "not_authenticated", "[object object]", "{{user_id}}", "${user_id}", "%user_id%",
))  # fmt: skip
EMPTY_DOMAINS = frozenset(("localhost", "invalid"))
EMPTY_LOCALS = frozenset(("noemail", "none", "no-reply", "noreply"))
ROLE_LOCALS = frozenset(("test", "info", "sales", "office", "team", "support", "admin", "hello", "zakaz"))
_FILLER = "0-_. \t\n"


def is_junk(value: str) -> bool:
    """A placeholder rather than an id: a known word, nothing but zeros and separators, one character repeated."""
    folded = value.casefold()
    if folded in WORDS or not value.strip(_FILLER):
        return True
    return len(value) >= 6 and value == value[0] * len(value)


def is_junk_email(local: str, domain: str) -> bool:
    return local in EMPTY_LOCALS or domain in EMPTY_DOMAINS or domain.rpartition(".")[2] in EMPTY_DOMAINS


def is_role(local: str) -> bool:
    """``info@`` is read by many: it may be attached to a contact and joins none."""
    return local in ROLE_LOCALS


def is_junk_phone(national: str) -> bool:
    return national.endswith("1234567890") or national == national[0] * len(national)
