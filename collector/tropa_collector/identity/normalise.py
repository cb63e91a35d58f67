"""One spelling for one identifier. Each function returns a :class:`Value`, or a :class:`Fault` that says what is wrong."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneNumberType

from tropa_collector.identity.blocked import is_junk, is_junk_email, is_junk_phone, is_role

MAX_CHARS = 255


class Value(NamedTuple):
    text: str
    no_merge: bool = False


class Fault(NamedTuple):
    """``reason`` is stable, for counters and programs; ``message`` is for people and never repeats the value."""

    reason: str
    message: str


WRONG_TYPE = Fault("wrong_type", "An identifier is a string or an integer.")
EMPTY = Fault("empty", "The identifier is empty.")
TOO_LONG = Fault("too_long", f"An identifier has at most {MAX_CHARS} characters.")
BAD_CHARACTER = Fault("bad_character", "The identifier holds a NUL or half a character.")
JUNK = Fault("blocked", "This value is a placeholder that identifies nobody.")
NOT_AN_EMAIL = Fault("not_an_email", "This is not an email address.")
NOT_A_PHONE = Fault("not_a_phone", "This is not a phone number, or its country is not known.")
_QUOTES = {'"': '"', "'": "'", "`": "`", "«": "»", "“": "”"}
_YANDEX = frozenset(f"yandex.{end}" for end in ("ru", "com", "by", "kz", "ua", "uz")) | {"ya.ru", "narod.ru"}
_NO_PERSON = frozenset((PhoneNumberType.TOLL_FREE, PhoneNumberType.SHARED_COST, PhoneNumberType.PREMIUM_RATE, PhoneNumberType.UAN))


def text_of(raw: object) -> str | Fault:
    """What all kinds have in common: type, length, Unicode form, spaces, quotes.

    U+FFFD is what a NUL or half a character has become on its way (``events/normalise.py``, or the sender's own decoder).
    """
    if isinstance(raw, int) and not isinstance(raw, bool):
        return str(raw) if abs(raw) < 1 << 64 else TOO_LONG
    if not isinstance(raw, str):
        return WRONG_TYPE
    if len(raw) > 4 * MAX_CHARS:
        return TOO_LONG
    if raw.isascii() and raw.isprintable():
        text = raw.strip()
    elif "\0" in raw or "\ufffd" in raw or any("\ud800" <= character <= "\udfff" for character in raw):
        return BAD_CHARACTER
    else:
        text = _plain(raw)
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    if not text:
        return EMPTY
    return text if len(text) <= MAX_CHARS else TOO_LONG


def _plain(raw: str) -> str:
    """NFC, without control and format characters (a zero-width space is not part of an id) and outer spaces."""
    kept = "".join(c if unicodedata.category(c) not in ("Cc", "Cf") else " " if c in "\t\n\r" else "" for c in raw)
    return unicodedata.normalize("NFC", kept).strip()


def plain_id(raw: object) -> Value | Fault:
    """Trimmed, case kept: user ids and ids of other systems."""
    text = text_of(raw)
    if isinstance(text, Fault):
        return text
    return JUNK if is_junk(text) else Value(text)


def lower_id(raw: object) -> Value | Fault:
    found = plain_id(raw)
    return Value(found.text.lower()) if isinstance(found, Value) else found


def anonymous_id(raw: object) -> Value | Fault:
    """A UUID is written in lower case, anything else is left as it is."""
    found = plain_id(raw)
    if isinstance(found, Value) and is_uuid(found.text):
        return Value(found.text.lower())
    return found


def is_uuid(text: str) -> bool:
    if len(text) != 36 or text[8] != "-" or text[13] != "-" or text[18] != "-" or text[23] != "-":
        return False
    return all(character in "0123456789abcdefABCDEF-" for character in text)


def ga_client_id(raw: object) -> Value | Fault:
    """``GA1.1.X.Y``, as the cookie has it, and ``X.Y``, as the page has it, are one."""
    found = plain_id(raw)
    return plain_id(".".join(found.text.split(".")[-2:])) if isinstance(found, Value) else found


def messenger_id(raw: object) -> Value | Fault:
    """A numeric id, a phone in E.164, or a user name in lower case without its ``@``."""
    found = plain_id(raw)
    return plain_id(found.text.lower().removeprefix("@")) if isinstance(found, Value) else found


#: Addresses that the validator takes as they are (a property test holds the two together): it costs 25 µs, this one.
_PLAIN_EMAIL = re.compile(
    r"[a-z0-9]+(?:[._+-][a-z0-9]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+"
    r"(?:com|net|org|info|biz|ru|su|ua|by|kz|uz|am|ge|lv|lt|ee|pl|de|fr|it|es|uk|us|eu|io|me|co|pro)"
)
_SHORT_EMAIL = 60  # no part of such an address passes a bound of its own


def email(raw: object, rules: frozenset[str] = frozenset()) -> Value | Fault:  # noqa: PLR0911 - each a way out of its own
    """Lower case, compatibility forms unified, an internationalised domain in its ASCII form. No DNS is asked."""
    text = text_of(raw)
    if isinstance(text, Fault):
        return text
    text = unicodedata.normalize("NFKC", text.strip("<> ")).lower().removeprefix("mailto:").strip("<> ")
    if is_junk(text):
        return JUNK
    local, _, domain = text.rpartition("@")
    if is_junk_email(local, domain):
        return JUNK
    if len(text) <= _SHORT_EMAIL and _PLAIN_EMAIL.fullmatch(text):
        return Value(same_mailbox(local, domain, rules), no_merge=is_role(local))
    try:
        parts = validate_email(text, check_deliverability=False, allow_smtputf8=True, test_environment=True)
    except (EmailNotValidError, ValueError):
        return NOT_AN_EMAIL
    domain = (parts.ascii_domain or parts.domain).lower()
    if "." not in domain or len(parts.local_part) + len(domain) >= MAX_CHARS:
        return NOT_AN_EMAIL
    return Value(same_mailbox(parts.local_part.lower(), domain, rules), no_merge=is_role(local))


def same_mailbox(local: str, domain: str, rules: frozenset[str]) -> str:
    """One address for the spellings that a provider delivers to one mailbox; every rule is off unless named.

    ``plus_tag`` drops ``+…``, ``googlemail`` is gmail.com, ``gmail_dots`` drops dots there, ``ya_domains`` makes one of
    Yandex's domains and of ``-`` and ``.`` in its names.
    """
    if "plus_tag" in rules:
        local = local.partition("+")[0] or local
    if "googlemail" in rules and domain == "googlemail.com":
        domain = "gmail.com"
    if "gmail_dots" in rules and domain == "gmail.com":
        local = local.replace(".", "")
    if "ya_domains" in rules and domain in _YANDEX:
        local, domain = local.replace("-", "."), "yandex.ru"
    return f"{local}@{domain}"


def phone(raw: object, region: str | None) -> Value | Fault:
    """E.164 without the extension. A number that is possible and not valid, or a service's, joins nobody."""
    text = text_of(raw)
    if isinstance(text, Fault):
        return text
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return NOT_A_PHONE
    if not phonenumbers.is_possible_number(number):
        return NOT_A_PHONE
    if is_junk_phone(phonenumbers.national_significant_number(number)):
        return JUNK
    personal = phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) not in _NO_PERSON
    return Value(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), no_merge=not personal)
