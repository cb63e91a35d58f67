"""From the settings to the planner's policy and to how events are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tropa_collector.errors import SettingsError
from tropa_collector.identity.identifiers import extract
from tropa_collector.identity.policy import DAY, POINT, UNIQUE, Policy, from_json, to_json
from tropa_collector.identity.records import Key
from tropa_collector.identity_rules import policy_of, scope_of
from tropa_collector.settings import Settings, load


@pytest.fixture(autouse=True)
def _no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(settings: Settings, /, **traits: object) -> tuple[list[Key], list[str]]:
    """The identifiers of an identify and the reasons of what was refused."""
    found = extract({"type": "identify", "userId": "u-1", "traits": traits}, scope_of(settings, trust=2))
    return [ident.key for ident in found.identifiers], [refusal.reason for refusal in found.refusals]


def test_settings_that_say_nothing_make_the_default_policy() -> None:
    assert policy_of(load()) == Policy()


def test_a_policy_is_told_as_text_and_read_again() -> None:
    kinds = {"phone": {"limit": 2}, "ext": {"limit": 3}, "ext.crm": {"class": "point", "priority": 15}}
    policy = policy_of(load({"kinds": kinds, "history_from": "30", "trait_strategies": "tags=union,name=last"}))
    assert (policy.kinds["phone"].limit, policy.kinds["ext.erp"].limit, policy.history) == (2, 3, 30 * DAY)
    assert (policy.kinds["ext.crm"].strength, policy.kinds["ext.crm"].priority) == (POINT, 15)
    assert policy.kinds["ext.erp"].strength == UNIQUE
    assert policy.trait_strategies["tags"] == "union"
    assert policy.trait_strategies["name"] == "last"
    assert policy.trait_strategies["birthday"] == "known_first"
    assert from_json(to_json(policy)) == policy


def test_a_newer_versions_policy_is_read_as_far_as_it_is_known() -> None:
    assert from_json(to_json(Policy(history=5))[:-1] + ', "later": 1}') == Policy(history=5)


MAILBOXES = [
    ("", "Anna.B+news@googlemail.com", "anna.b+news@googlemail.com"),
    ("plus_tag", "Anna.B+news@gmail.com", "anna.b@gmail.com"),
    ("googlemail,gmail_dots", "anna.b@googlemail.com", "annab@gmail.com"),
    ("ya_domains", "anna-b@ya.ru", "anna.b@yandex.ru"),
]


@pytest.mark.parametrize(("rules", "written", "kept"), MAILBOXES)
def test_spellings_of_one_mailbox_are_one_when_the_setting_says_so(rules: str, written: str, kept: str) -> None:
    assert read(load({"email_rules": rules}), email=written)[0] == [("user_id", "u-1"), ("email", kept)]


def test_the_operators_own_blocked_values_identify_nobody() -> None:
    settings = load({"blocked_values": "email:*@corp.example,*:u-1", "no_merge_values": "phone:+7916*"})
    found, refused = read(settings, email="desk@Corp.example", phone="+7 916 123-45-67")
    assert (found, refused) == ([("phone", "+79161234567")], ["blocked", "blocked"])
    scope = scope_of(settings, trust=2)
    phone = extract({"type": "identify", "traits": {"phone": "+79161234567"}}, scope).identifiers[0]
    assert phone.no_merge


def test_a_kind_of_which_a_person_may_have_two_is_read_twice() -> None:
    event = {"type": "track", "context": {"externalIds": [{"type": "ext.card", "id": "1"}, {"type": "ext.card", "id": "2"}]}}
    one, two = (scope_of(load({"kinds": kinds}), trust=2) for kinds in ({}, {"ext.card": {"limit": 2}}))
    assert len(extract(event, one).identifiers) == 1
    assert len(extract(event, two).identifiers) == 2


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"kinds": {"card": {}}}, "not a kind"),
    ({"kinds": {"import_row": {"limit": 1}}}, "not a kind"),
    ({"kinds": {"user_id": {"class": "point"}}}, "cannot be changed"),
    ({"kinds": {"phone": {"limit": 0}}}, "kinds.phone.limit"),
    ({"blocked_values": "email"}, "not kind:value"),
    ({"blocked_values": "*:**"}, "not kind:value"),
    ({"no_merge_values": "card:7*"}, "not a kind"),
    ({"blocked_values": "email:*a*b*c*"}, "more than 3 stars"),
    ({"trait_strategies": "city"}, "not trait=strategy"),
    ({"trait_strategies": "city=newest"}, "not trait=strategy"),
    ({"history_from": "30 days"}, "history_from"),
    ({"email_rules": "dots"}, "email_rules"),
    ({"shared_device_policy": "last_login"}, "shared_device_policy"),
]


@pytest.mark.parametrize(("said", "why"), REFUSED)
def test_a_rule_that_cannot_be_followed_is_refused_with_its_fault(said: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        load(said)
