"""The short way for plain addresses says what the validator says."""

from __future__ import annotations

from email_validator import validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from tropa_collector.identity import normalise

_WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
_LOCAL = st.builds(lambda words, joint: joint.join(words), st.lists(_WORD, min_size=1, max_size=3), st.sampled_from("._+-"))
_DOMAIN = st.builds(
    lambda words, joint, top: f"{joint.join(words)}.{top}",
    st.lists(_WORD, min_size=1, max_size=3),
    st.sampled_from(".-"),
    st.sampled_from(["com", "ru", "org", "co", "pro", "io", "uk"]),
)


@settings(max_examples=400, deadline=None)
@given(_LOCAL, _DOMAIN)
def test_a_plain_address_is_what_the_validator_makes_of_it(local: str, domain: str) -> None:
    text = f"{local}@{domain}"
    if normalise._PLAIN_EMAIL.fullmatch(text):
        judged = validate_email(text, check_deliverability=False, allow_smtputf8=True, test_environment=True)
        assert judged.normalized == judged.ascii_email == text
