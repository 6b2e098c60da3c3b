"""Which credits an invoice takes."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core.credits import Credit, uses

MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def a_credit(
    grant_id: int, balance: str, *, priority: int = 50, expires_at: datetime | None = None
) -> Credit:
    return Credit(grant_id, Decimal(balance), priority, expires_at)


@pytest.mark.parametrize(
    ("due", "taken"),
    [
        ("0", {}),
        ("9.99", {1: "9.99"}),  # below the first credit of 10
        ("10", {1: "10"}),  # at it
        ("10.01", {1: "10", 2: "0.01"}),  # above it the next one begins
        ("15", {1: "10", 2: "5"}),
        ("100", {1: "10", 2: "5"}),  # no more than there is
        ("-5", {}),  # nothing is due
    ],
)
def test_one_credit_is_used_up_before_the_next_begins(due: str, taken: dict[int, str]) -> None:
    found = uses([a_credit(2, "5"), a_credit(1, "10")], Decimal(due))

    assert dict(found) == {grant: Decimal(amount) for grant, amount in taken.items()}


def test_lower_priority_goes_first_then_the_sooner_expiry_then_the_older_grant() -> None:
    credits = [
        a_credit(1, "1"),
        a_credit(2, "1", expires_at=JUNE),
        a_credit(3, "1", expires_at=MAY),
        a_credit(4, "1", priority=10),
        a_credit(5, "1"),
    ]

    assert [use.grant_id for use in uses(credits, Decimal(5))] == [4, 3, 2, 1, 5]


@given(
    due=st.decimals(0, 1000, places=2),
    balances=st.lists(st.decimals(0, 300, places=2), max_size=10),
)
def test_never_more_is_taken_than_is_due_or_there(due: Decimal, balances: list[Decimal]) -> None:
    credits = [Credit(number, balance, 50, None) for number, balance in enumerate(balances)]

    taken = list(uses(credits, due))

    assert sum((use.amount for use in taken), Decimal(0)) == min(due, sum(balances, Decimal(0)))
    assert all(0 < use.amount <= balances[use.grant_id] for use in taken)
