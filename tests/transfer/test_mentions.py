"""What counts as naming a person, and what is left of a text without that."""

from __future__ import annotations

from typing import Any

import pytest

from tropa_collector.store.operations.mentions import CUT, Mentions

ANNA = Mentions([("email", "anna@example.com"), ("phone", "+79161234567"), ("user_id", "42"), ("anonymous_id", "0c5d-visitor-9")])


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("anna@example.com", CUT),
        (" Anna@Example.COM ", CUT),
        ("to ANNA@example.com, please", f"to {CUT}, please"),
        ("https://shop/?mail=anna@example.com&x=1", f"https://shop/?mail={CUT}&x=1"),
        ("https://shop/?mail=anna%40example.com&tel=%2b79161234567", f"https://shop/?mail={CUT}&tel={CUT}"),
        ("https://shop/?tel=79161234567", f"https://shop/?tel={CUT}"),
        ("8 (916) 123-45-67", CUT),
        ("+7 916 1234567", CUT),
        (79161234567, CUT),
        ("9161234568", "9161234568"),
        ("42", "42"),
        (42, 42),
        (True, True),
        (None, None),
        ({"userId": "42", "n": "42"}, {"userId": CUT, "n": "42"}),
        ({"userId": 42}, {"userId": CUT}),
        ({"products": [{"id": "42"}]}, {"products": [{"id": "42"}]}),
        ({"externalIds": [{"type": "user_id", "id": "42"}]}, {"externalIds": [{"type": "user_id", "id": CUT}]}),
        ({"anna@example.com": 1}, {CUT: 1}),
        (["0c5d-visitor-9", "0c5d-visitor-8"], [CUT, "0c5d-visitor-8"]),
    ],
)  # fmt: skip
def test_what_names_the_person_is_cut_and_nothing_else(value: Any, left: Any) -> None:
    assert ANNA.cut(value) == left
    assert ANNA.inside(value) is (value != left)


def test_spellings_are_learnt_from_the_persons_own_events() -> None:
    own = {"traits": {"email": "Anna@Example.com", "phone": "8 (916) 123-45-67"}, "userId": 42, "context": {"page": "x"}}
    assert set(ANNA.spelled(own)) == {"Anna@Example.com", "8 (916) 123-45-67", "42"}
    learnt = Mentions(ANNA.keys, ANNA.spelled(own))
    assert learnt.cut("call 8 (916) 123-45-67 now") == f"call {CUT} now"
    assert "42" not in learnt.long_texts()


def test_text_that_is_no_json_is_searched_too() -> None:
    assert ANNA.in_text('{"email": "ANNA@example.com", broken')
    assert not ANNA.in_text('{"userId": "42", broken')
    assert not Mentions([("user_id", "42")]).in_text("42")
