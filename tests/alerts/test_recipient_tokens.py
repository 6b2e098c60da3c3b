"""Tokens for the links in emails."""

from typing import Any

import pytest

from alerts import recipient_tokens
from alerts.recipient_tokens import UnknownToken

TOKEN = recipient_tokens.sign("m", 7, purpose="stopping", email="alice@example.com")


def holds(token: str, *, purpose: str = "stopping", email: str = "alice@example.com") -> bool:
    try:
        recipient_tokens.check(token, purpose=purpose, email=email)
    except UnknownToken:
        return False
    return True


def test_a_token_says_what_it_is_about() -> None:
    assert recipient_tokens.claimed(TOKEN) == ("m", 7)
    assert holds(TOKEN)


def test_a_token_tells_no_address() -> None:
    assert "alice" not in TOKEN


def test_a_token_holds_for_its_purpose_and_address_alone() -> None:
    assert not holds(TOKEN, purpose="starting")
    assert not holds(TOKEN, email="bob@example.com")
    assert holds(TOKEN, email="Alice@Example.com")


@pytest.mark.parametrize("changed", ["m8", "c7", "m07", "m", ""])
def test_a_signature_fits_nothing_else(changed: str) -> None:
    assert not holds(TOKEN.replace("m7", changed, 1))


def test_an_older_secret_key_still_opens_what_it_signed(settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-" * 5
    assert holds(TOKEN)
    settings.SECRET_KEY_FALLBACKS = []
    assert not holds(TOKEN)


@pytest.mark.parametrize(
    "token", ["", "m", "7", "M7:x", "mm7:x", "m-7:x", "m7.5:x", "m\u0661:x", f"m{'9' * 19}:x"]
)
def test_what_names_no_row_is_unknown(token: str) -> None:
    with pytest.raises(UnknownToken):
        recipient_tokens.claimed(token)
