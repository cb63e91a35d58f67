"""Consent and mapping: what a destination may see of an event."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from tests.forward.log_entries import event

from tropa_collector.forward.choose import change_for, wanted
from tropa_collector.forward.destination import Options, PropertyMapping
from tropa_collector.forward.mapping import mapped

ADS, BOTH = ("advertising",), ("analytics", "advertising")
CONSENT: list[tuple[Any, tuple[str, ...], bool]] = [
    (None, (), True),
    ({"state": "denied", "purposes": []}, (), True),  # the operator's own: it was stored
    (None, ADS, True),  # a server's event says nothing of consent
    ({"state": "granted", "purposes": ["analytics"]}, ("analytics",), True),
    ({"state": "granted", "purposes": ["analytics"]}, ("Analytics",), True),
    ({"state": "granted", "purposes": ["analytics"]}, ADS, False),
    ({"state": "granted", "purposes": ["analytics"]}, BOTH, False),
    ({"state": "granted", "purposes": ["analytics", "advertising"]}, BOTH, True),
    ({"state": "granted", "purposes": ["analytics", "advertising"], "gpc": True}, BOTH, False),
    ({"state": "granted", "purposes": ["analytics", "sale"], "gpc": True}, ("sale",), False),
    ({"state": "granted", "purposes": ["analytics"], "gpc": True}, ("analytics",), True),
    ({"state": "denied", "purposes": ["analytics"]}, ("analytics",), False),
    ({"state": "cookieless", "purposes": ["analytics"]}, ("analytics",), True),
    ({"state": "granted", "purposes": []}, ("analytics",), False),
    ({"categoryPreferences": {"Advertising": True, "Analytics": False}}, ADS, True),
    ({"categoryPreferences": {"Advertising": True, "Analytics": False}}, ("analytics",), False),
    ({"gpc": True}, ADS, False),
    ({"state": "granted"}, ADS, True),
    ("yes", ADS, True),
]


@pytest.mark.parametrize(("consent", "purposes", "goes"), CONSENT)
def test_an_event_goes_where_its_consent_covers_every_purpose(consent: Any, purposes: tuple[str, ...], goes: bool) -> None:
    one = event(1, context={} if consent is None else {"consent": consent})
    assert wanted(one, Options(type="x", purposes=purposes), "crm") is goes


@pytest.mark.parametrize(
    ("integrations", "goes"),
    [
        (None, True),
        ({}, True),
        ({"All": True}, True),
        ({"All": False}, False),
        ({"All": False, "CRM": True}, True),
        ({"All": False, "crm": {"list": "buyers"}}, True),
        ({"Crm": False}, False),
        ({"All": True, "crm": False}, False),
        ({"Google Analytics": False}, True),
        ({"All": None}, True),
    ],
)
def test_the_sender_switches_destinations_off_by_name_or_all_of_them(integrations: Any, goes: bool) -> None:
    assert wanted(event(1) | {"integrations": integrations}, Options(type="x"), "crm") is goes


@pytest.mark.parametrize("context", [None, {}, {"consent": {"state": "granted"}}])
def test_silence_is_no_consent_where_it_is_required(context: Any) -> None:
    assert not wanted(event(1, context=context), Options(type="x", purposes=ADS, require_consent=True), "crm")
    assert wanted(event(1, context=context), Options(type="x", require_consent=True), "crm"), (
        "without purposes there is nothing to ask"
    )


def test_a_change_goes_without_values_where_purposes_are_stated() -> None:
    change = {"type": "contact_linked", "a": {"kind": "email", "value": "anna@example.com"}, "b": None, "traits": {"city": "Kazan"}}
    moved = {"moved": [{"kind": "email", "value": "anna@example.com", "contact_id": "c2"}]}
    assert change_for({**change, **moved}, Options(type="x")) == {**change, **moved}
    assert change_for({**change, **moved}, Options(type="x", purposes=ADS)) == {
        "type": "contact_linked", "a": {"kind": "email"}, "b": None,
    }  # fmt: skip


HASHED = sha256(b"anna@example.com").hexdigest()
MAPPED: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"drop": ["a.b"]}, {"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}),
    ({"drop": ["a", "missing", "c.d"]}, {"a": 1, "c": 5}, {"c": 5}),
    ({"rename": {"a.b": "x.y"}}, {"a": {"b": 1}, "x": {"z": 2}}, {"a": {}, "x": {"z": 2, "y": 1}}),
    ({"rename": {"missing": "x"}}, {"a": 1}, {"a": 1}),
    ({"constant": {"a.b": "shop", "n": 1}}, {"a": 5}, {"a": {"b": "shop"}, "n": 1}),
    ({"hash": ["a.email"]}, {"a": {"email": " Anna@Example.com "}}, {"a": {"email": HASHED}}),
    ({"hash": ["a.email", "b"]}, {"a": {"email": None}, "b": {"c": 1}}, {"a": {"email": None}, "b": None}),
    ({"hash": ["e"], "rename": {"e": "f"}, "constant": {"g": 1}, "drop": ["g"]}, {"e": "anna@example.com"}, {"f": HASHED, "g": 1}),
]


@pytest.mark.parametrize(("how", "before", "after"), MAPPED)
def test_mapping_is_data(how: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> None:
    untouched = repr(before)
    assert mapped(before, PropertyMapping.model_validate(how)) == after
    assert repr(before) == untouched, "the stored event is shared with others"


def test_a_signed_identity_stays_with_the_collector() -> None:
    before = {"context": {"identity": {"token": "a.b.c", "by": "shop"}, "ip": "1"}, "userId": "42"}
    untouched = repr(before)
    assert mapped(before, PropertyMapping()) == {"context": {"identity": {"by": "shop"}, "ip": "1"}, "userId": "42"}
    moved = PropertyMapping(rename={"context.identity.token": "token"})
    assert mapped(before, moved) == mapped(before, PropertyMapping())
    assert repr(before) == untouched
    plain = {"context": {"identity": "x"}}
    assert mapped(plain, PropertyMapping()) is plain
