from __future__ import annotations

from typing import Any

import jwt
import pytest

import tropa

SECRET = "ss_a_signing_secret_of_a_browser_source"


def test_an_independent_reader_accepts_it() -> None:
    token = tropa.identity_token(SECRET, 42, email="анна@example.com", phone="+79001234567", expires_in=600)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert claims == {
        "sub": "42",
        "email": "анна@example.com",
        "phone": "+79001234567",
        "iat": claims["exp"] - 600,
        "exp": claims["exp"],
    }
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, SECRET + "x", algorithms=["HS256"])


def test_claims_that_are_not_given_are_absent_and_the_default_is_an_hour() -> None:
    token = tropa.identity_token(SECRET, "u", now=1_000.9)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False})
    assert claims == {"sub": "u", "iat": 1_000, "exp": 4_600}


@pytest.mark.parametrize(
    "arguments",
    [{"secret": ""}, {"user_id": ""}, {"user_id": "  "}, {"expires_in": 0}, {"expires_in": 86_401}],
)
def test_what_the_collector_would_refuse_is_an_error(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        tropa.identity_token(**({"secret": SECRET, "user_id": "u"} | arguments))
