"""How figures and addresses are written in alerts."""

import pytest

from alerts import words


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("alice@example.com", "a…@example.com"),
        ("a@example.com", "a…@example.com"),
        ('"odd@name"@example.com', '"…@example.com'),
        ("alice", "alice"),
        ("", ""),
    ],
)
def test_of_an_email_address_the_domain_and_a_letter_are_seen(address: str, seen: str) -> None:
    assert words.masked(address) == seen
