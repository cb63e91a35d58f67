"""What a masked session sees, and what it must still be able to read."""

from __future__ import annotations

import pytest

from tropa_collector.admin.console.masking import Typed, masked

HIDDEN = [
    "anna@example.com",
    "Anna.Petrova+shop@mail.example.co.uk",
    "анна@пример.рф",
    "mailto:anna@example.com?subject=x",
    "https://shop.example/?email=anna%40example.com",
    '{"email": "anna\\u0040example.com"}',
    "+79161234567",
    "8 (916) 123-45-67",
    "+44 20 7946 0018",
    "tel:+79161234567,",
    "phone=%2B79161234567&x",
    "call 79161234567 now",
]
SHOWN = [
    "2026-11-21T20:31:35.253Z",
    "550e8400-e29b-41d4-a716-446655440000",
    "203.0.113.0",
    "Order 1001, 39.95 EUR",
    "Chrome 141.0.0.0",
    "sku-7",
    "c1234567",
    "@anna",
]


@pytest.mark.parametrize("text", HIDDEN)
def test_an_email_or_phone_is_masked(text: str) -> None:
    shown = masked(text)
    assert "•••" in shown
    assert not any(part in shown for part in ("anna@", "anna%40", "example.co", "9161234567", "123-45", "7946 0018", "нна@"))


@pytest.mark.parametrize("text", SHOWN)
def test_the_rest_is_shown(text: str) -> None:
    assert masked(text) == text


def test_values_are_masked_at_any_depth_keys_too() -> None:
    value = {"a": [{"b": ("anna@example.com", 1, None, True, 2.5)}], "anna@example.com": "x"}
    shown = masked(value)
    assert "example" not in str(shown)
    assert shown["a"][0]["b"][1:] == [1, None, True, 2.5]


def test_what_the_operator_typed_is_shown_to_him() -> None:
    assert masked({"q": Typed("anna@example.com")}) == {"q": "anna@example.com"}


def test_a_value_that_may_hide_a_text_is_refused() -> None:
    with pytest.raises(TypeError, match="object is not a plain value"):
        masked({"x": object()})
