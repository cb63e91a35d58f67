"""Identifiers out of events: normalisation, what identifies nobody, tokens, and what each kind of call contributes."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import orjson
import pytest

from tropa_collector.identity import normalise
from tropa_collector.identity.blocked import BlockedValue
from tropa_collector.identity.identifiers import MAX_IDENTIFIERS, Extracted, Scope, extract
from tropa_collector.identity.normalise import Fault, Value
from tropa_collector.identity.policy import CLAIMED, SERVER, SIGNED
from tropa_collector.identity.token import Identity, TokenFault, sign, verify

NOW = 1_800_000_000
SECRET = b"a source's signing secret"


def keys(found: Extracted) -> list[str]:
    return [":".join(ident.key) for ident in found.identifiers]


def reasons(found: Extracted) -> list[tuple[str, str]]:
    return [(refusal.kind, refusal.reason) for refusal in found.refusals]


JUNK: list[Any] = [
    "null", "0", "-1", "undefined", "[object Object]", " ", "", " 'anonymous' ", "00000000-0000-0000-0000-000000000000",
    True, 1.5, [], {}, "{{user_id}}", "aaaaaa", "---", '"guest"', "NaN", "(not set)", "a\0b", "\ud800", "x" * 10_240,
    "a\ufffdb", 1 << 64,
]  # fmt: skip


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_46_and_53_junk_is_refused_aloud_and_the_cookie_anchors(junk: object) -> None:
    found = extract({"type": "track", "userId": junk, "anonymousId": "cookie-1"}, Scope())
    assert keys(found) == ["anonymous_id:cookie-1"]
    assert [kind for kind, _ in reasons(found)] == ["user_id"]
    assert found.refusals[0].path == "userId"


def test_47_junk_alone_leaves_nobody() -> None:
    assert keys(extract({"type": "track", "userId": "null"}, Scope())) == []
    assert extract({"type": "track"}, Scope()) == Extracted(())


EMAILS = {
    "Foo@Example.RU ": "foo@example.ru",
    "foo@example.ru": "foo@example.ru",
    "mailto:Foo@example.ru": "foo@example.ru",
    "<foo@example.ru>": "foo@example.ru",
    "'foo@example.ru'": "foo@example.ru",
    "ｆoo@example.ru": "foo@example.ru",
    "иван@почта.рф": "иван@xn--80a1acny.xn--p1ai",
    "a+tag@gmail.com": "a+tag@gmail.com",
}


@pytest.mark.parametrize("raw", EMAILS)
def test_48_one_spelling_of_an_email(raw: str) -> None:
    assert normalise.email(raw) == Value(EMAILS[raw])


@pytest.mark.parametrize("raw", ["noreply@shop.ru", "a@localhost", "a@b.invalid", "a@b", "a@@b.ru", "nobody", "a b@c.ru", 7])
def test_addresses_that_identify_nobody(raw: object) -> None:
    assert isinstance(normalise.email(raw), Fault)


def test_a_role_address_joins_nobody_and_example_com_is_anybodys_first_try() -> None:
    for address in ("info@corp.ru", "info@corp.store", "info@пример.рф"):  # by the quick way and by the validator's
        found = normalise.email(address)
        assert isinstance(found, Value)
        assert found.no_merge
    assert normalise.email("anna@example.com") == Value("anna@example.com")


@pytest.mark.parametrize(
    ("rule", "raw", "same"),
    [
        ("plus_tag", "a+news@b.ru", "a@b.ru"),
        ("gmail_dots", "a.n.na@gmail.com", "anna@gmail.com"),
        ("googlemail", "anna@googlemail.com", "anna@gmail.com"),
        ("ya_domains", "ivan-petrov@ya.ru", "ivan.petrov@yandex.ru"),
    ],
)
def test_one_mailbox_of_many_spellings_only_when_asked(rule: str, raw: str, same: str) -> None:
    assert normalise.email(raw) == Value(raw)
    assert normalise.email(raw, frozenset((rule,))) == Value(same)


@pytest.mark.parametrize(
    ("raw", "region", "expected"),
    [
        ("8 (916) 123-45-67", "RU", Value("+79161234567")),
        ("+79161234567", None, Value("+79161234567")),
        ("79161234567", "RU", Value("+79161234567")),
        ("٨٩١٦١٢٣٤٥٦٧", "RU", Value("+79161234567")),
        ("8 916 123-45-67 доб. 12", "RU", Value("+79161234567")),
        ("8 800 555-35-35", "RU", Value("+78005553535", no_merge=True)),
        ("8 116 123-45-67", "RU", Value("+71161234567", no_merge=True)),  # as long as a number, and nobody's
        ("79161234567", None, normalise.NOT_A_PHONE),
        ("0000000000", "RU", normalise.JUNK),
        ("1234567890", "RU", normalise.JUNK),
        ("12", "RU", normalise.NOT_A_PHONE),
    ],
)
def test_49_and_50_one_spelling_of_a_phone(raw: str, region: str | None, expected: Value | Fault) -> None:
    assert normalise.phone(raw, region) == expected


def test_52_case_of_a_user_id_is_kept_and_a_uuid_cookie_is_lower_case() -> None:
    cookie = "A3BB189E-8BF9-3888-9912-ACE4E6543002"
    found = extract({"type": "page", "userId": "ABC", "anonymousId": cookie}, Scope())
    assert keys(found) == ["user_id:ABC", f"anonymous_id:{cookie.lower()}"]
    assert keys(extract({"type": "page", "userId": 42}, Scope())) == ["user_id:42"]


def test_identify_gives_email_and_phone_with_the_events_own_country() -> None:
    event = {
        "type": "identify", "userId": "u1", "context": {"traits": {"email": "A@b.ru"}, "country": "DE"},
        "traits": {"phone": "030 901820", "city": "Berlin"},
    }  # fmt: skip
    found = extract(event, Scope(default_region="RU"))
    assert keys(found) == ["user_id:u1", "email:a@b.ru", "phone:+4930901820"]
    assert found.traits == {"email": "A@b.ru", "phone": "030 901820", "city": "Berlin"}


def test_one_phone_as_it_is_written_in_two_countries_is_two() -> None:
    scope = Scope(trust=SERVER)
    said = [{"type": "identify", "context": {"country": country}, "traits": {"phone": "030 901820"}} for country in ("DE", "IT")]
    assert [keys(extract(event, scope)) for event in said] == [["phone:+4930901820"], ["phone:+39030901820"]]


def test_an_order_forms_email_is_somebody_elses_unless_the_event_is_named() -> None:
    event = {"type": "track", "event": "Order", "userId": "u1", "properties": {"email": "friend@b.ru"}}
    assert keys(extract(event, Scope())) == ["user_id:u1"]
    assert keys(extract(event, Scope(identify_on_events=frozenset({"Order"})))) == ["user_id:u1", "email:friend@b.ru"]


def test_external_ids_and_the_device() -> None:
    context = {
        "externalIds": [
            {"type": "crm", "id": "7"}, {"type": "ext.crm", "id": "7"}, {"type": "ios.idfa", "id": "AB-1"},
            {"type": "ga_client_id", "id": "GA1.1.5.6"}, {"type": "telegram", "id": "@Anna"}, {"type": "import_row", "id": "1"},
        ],
        "device": {"id": "IDFV", "token": "t1", "advertisingId": "00000000-0000-0000-0000-000000000000", "type": "ios"},
    }  # fmt: skip
    found = extract({"type": "track", "context": context}, Scope(trust=SERVER))
    assert keys(found) == ["ext.crm:7", "msgr.telegram:anna", "device_id:idfv", "ga_client_id:5.6", "idfa:ab-1", "push_token:t1"]
    assert reasons(found) == [("crm", "unknown_kind"), ("import_row", "unknown_kind"), ("idfa", "blocked")]


def external(*pairs: tuple[object, object]) -> Extracted:
    context = {"externalIds": [{"type": kind, "id": value} for kind, value in pairs]}
    return extract({"type": "track", "context": context}, Scope(trust=SERVER))


def test_a_messengers_user_name_counts_only_without_the_accounts_id() -> None:
    found = external(("telegram", "@Anna"), ("telegram", 12345), ("msgr.max", "Anna"))
    assert keys(found) == ["msgr.max:anna", "msgr.telegram:12345"]
    assert reasons(found) == [("msgr.telegram", "name_beside_id")]


@pytest.mark.parametrize(
    ("kind", "junk"), [("ga_client_id", "GA1.2.0.0"), ("telegram", "@null"), ("telegram", "@"), ("msgr.max", "@guest")]
)
def test_junk_is_looked_for_in_the_normalised_value(kind: str, junk: str) -> None:
    assert keys(external((kind, junk))) == []


@pytest.mark.parametrize(
    "kind", ["ext.a:b", "ext.a b", "ext.a\nb", "ext." + "x" * 65, "ext.", "ext", "crm", "x" * 5_000, "", None, 7]
)
def test_what_is_no_kind_is_refused_and_named_briefly(kind: object) -> None:
    found = external((kind, "7"))
    assert keys(found) == []
    assert [refusal.reason for refusal in found.refusals] == ["unknown_kind"]
    assert found.refusals[0].path == "context.externalIds[0]"
    assert len(found.refusals[0].kind) <= 80


def test_a_kind_of_a_system_is_any_word() -> None:
    assert keys(external(("ext.1c", "7"), ("ext.my-shop.ru", "7"), ("ext.склад", 1 << 62))) == [
        "ext.1c:7", "ext.my-shop.ru:7", f"ext.склад:{1 << 62}",
    ]  # fmt: skip


def test_group_and_alias() -> None:
    group = extract({"type": "group", "userId": "u1", "groupId": "g7", "traits": {"email": "a@firm.ru"}}, Scope())
    assert keys(group) == ["user_id:u1"]
    assert group.traits == {"group:g7": {"email": "a@firm.ru"}}
    alias = extract({"type": "alias", "userId": "u1", "previousId": "Old"}, Scope())
    assert alias.previous == (("user_id", "Old"), ("anonymous_id", "Old"))
    junk = extract({"type": "alias", "userId": "u1", "previousId": "null"}, Scope())
    assert (junk.previous, reasons(junk)) == (None, [("user_id", "blocked")])


def test_one_value_of_a_single_kind_and_twenty_of_all() -> None:
    listed = [{"type": "ext.crm", "id": value} for value in ("9", "7")]
    found = extract({"type": "track", "context": {"externalIds": listed}}, Scope())
    assert (keys(found), reasons(found)) == (["ext.crm:7"], [("ext.crm", "extra_value")])
    many = [{"type": f"ext.s{number:02}", "id": "1"} for number in range(25)]
    crowd = extract({"type": "track", "context": {"externalIds": many}}, Scope())
    assert len(crowd.identifiers) == MAX_IDENTIFIERS
    assert reasons(crowd)[0] == ("ext.s20", "too_many")


def test_an_operators_own_blocked_values() -> None:
    rules = (BlockedValue("email", "*@corp.ru"), BlockedValue("*", "kiosk", "no_merge"))
    event = {"type": "identify", "userId": "kiosk", "traits": {"email": "x@corp.ru"}, "anonymousId": "c-1"}
    found = extract(event, Scope(blocked=rules))
    assert keys(found) == ["anonymous_id:c-1", "user_id:kiosk"]
    assert reasons(found) == [("email", "blocked")]


# -- the signed token

TOKEN = sign(Identity("u1", email="a@b.ru"), SECRET, NOW + 3_600)


def test_75_only_what_the_token_states_is_signed() -> None:
    event = {
        "type": "identify", "userId": "u1", "anonymousId": "c-1", "traits": {"email": "victim@b.ru"},
        "context": {"identity": {"token": TOKEN}},
    }  # fmt: skip
    found = extract(event, Scope(signing_secret=SECRET), NOW)
    assert [(ident.key[1], ident.trust) for ident in found.identifiers] == [
        ("u1", SIGNED), ("a@b.ru", SIGNED), ("c-1", SIGNED), ("victim@b.ru", CLAIMED),
    ]  # fmt: skip


def test_what_a_token_proved_once_is_a_claim_again_without_it() -> None:
    scope = Scope(signing_secret=SECRET)
    plain = {"type": "track", "userId": "u1", "anonymousId": "c-1"}
    signed = extract({"type": "track", "anonymousId": "c-1", "context": {"identity": {"token": TOKEN}}}, scope, NOW)
    assert [(ident.key[1], ident.trust) for ident in signed.identifiers[:1]] == [("u1", SIGNED)]
    for event in (plain, plain | {"type": "identify"}):
        assert [ident.trust for ident in extract(event, scope, NOW).identifiers] == [CLAIMED, CLAIMED]


def test_unsigned_ids_of_a_source_that_wants_them_signed() -> None:
    scope = Scope(signing_secret=SECRET, require_signed_identify=True)
    traits = {"email": "a@b.ru", "phone": "+79161234567"}
    event: dict[str, Any] = {"type": "identify", "userId": "u1", "anonymousId": "c-1", "traits": traits}
    found = extract(event, scope, NOW)
    assert keys(found) == ["anonymous_id:c-1"]
    assert reasons(found) == [("user_id", "unsigned"), ("email", "unsigned"), ("phone", "unsigned")]
    signed = extract(event | {"context": {"identity": {"token": TOKEN}}}, scope, NOW)
    assert keys(signed) == ["user_id:u1", "email:a@b.ru", "anonymous_id:c-1"]
    assert keys(extract({"type": "track", "userId": "u1", "anonymousId": "c-1"}, scope, NOW)) == ["anonymous_id:c-1"]


def _altered(part: int, text: str) -> str:
    parts = TOKEN.split(".")
    parts[part] = text
    return ".".join(parts)


def _headed(**header: Any) -> str:
    """A token that is rightly signed, under another header."""
    signed = f"{_base64url(orjson.dumps({'alg': 'HS256', **header}))}.{TOKEN.split('.')[1]}"
    return f"{signed}.{_base64url(hmac.digest(SECRET, signed.encode(), hashlib.sha256))}"


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (None, "token_malformed"),
        ("a.b", "token_malformed"),
        ("é.b.c", "token_malformed"),
        ("x" * 5_000, "token_malformed"),
        (_altered(0, "eyJhbGciOiJub25lIn0"), "token_algorithm"),
        (_altered(0, "eyJhbGciOiJIUzUxMiJ9"), "token_algorithm"),
        (_headed(crit=["exp"]), "token_algorithm"),
        (_altered(1, "eyJzdWIiOiJ1MiJ9"), "token_signature"),
        (_altered(2, ""), "token_signature"),
        (TOKEN + "=", "token_signature"),
        (sign(Identity("u1"), b"another", NOW + 60), "token_signature"),
        (sign(Identity("u1"), SECRET, NOW), "token_expired"),
        (sign(Identity("u1"), SECRET, NOW + 90_000), "token_expiry"),
        (sign(Identity(""), SECRET, NOW + 60), "token_subject"),
    ],
)
def test_a_token_is_refused_with_a_reason(token: object, reason: str) -> None:
    found = verify(token, SECRET, NOW)
    assert isinstance(found, TokenFault)
    assert found.reason == reason


def test_a_refused_token_is_a_warning_and_the_call_a_claim() -> None:
    event = {"type": "track", "userId": "u1", "context": {"identity": {"token": TOKEN}}}
    found = extract(event, Scope(), NOW)
    assert ([ident.trust for ident in found.identifiers], reasons(found)) == ([CLAIMED], [("token", "token_unexpected")])
    server = extract(event, Scope(trust=SERVER), NOW)
    assert ([ident.trust for ident in server.identifiers], reasons(server)) == ([SERVER], [])


def test_the_caches_are_bounded_and_change_no_answer() -> None:
    scope = Scope(cache_items=10)
    for number in range(100):
        event = {"type": "track", "anonymousId": f"cookie-{number}", "userId": f"user-{number % 7}"}
        assert keys(extract(event, scope)) == keys(extract(event, scope)) == keys(extract(event, Scope()))
    assert max(len(scope.visitors), len(scope.users), len(scope.others)) <= 10
