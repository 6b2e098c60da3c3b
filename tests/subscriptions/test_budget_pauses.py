"""Customers pause all their calls, with a reason, and resume them."""

from datetime import timedelta

import pytest

from subscriptions import budgets
from subscriptions.actors import Actor
from subscriptions.models import BudgetChange
from tests.support.authorizing import ask, is_granted
from tests.support.cast import NOW
from tests.support.recording import prepare
from usage.core.errors import Conflict, InvalidRequest, UsageLimitExceededException
from usage.models import Account

pytestmark = pytest.mark.django_db

ALICE = Actor(name="alice")
LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def acme() -> Account:
    """Without a subscription: whoever is limited by nothing may pause as well."""
    prepare()
    return Account.objects.get()


def test_a_pause_by_hand_refuses_every_call_with_its_reason_until_it_is_resumed(acme: Account) -> None:
    budgets.pause(acme, reason="A runaway script", at=NOW, by=ALICE)

    with pytest.raises(UsageLimitExceededException) as refused:
        ask()
    assert refused.value.message == "All calls are paused: A runaway script. Resume the budget to go on."
    assert (refused.value.status, refused.value.error_code) == (402, "subscription_inactive")
    assert "resume its budget" in refused.value.hint

    budgets.resume(acme, at=LATER, by=ALICE)

    assert is_granted()
    assert list(BudgetChange.objects.order_by("id").values_list("actor", "after__paused")) == [
        ("alice", "A runaway script"),
        ("alice", None),
    ]


def test_a_pause_by_hand_is_not_ended_by_the_clock(acme: Account) -> None:
    budgets.pause(acme, reason="Holidays.", at=NOW, by=ALICE)

    assert budgets.protect_due(at=NOW + timedelta(days=400), limit=10) == 0
    assert not budgets.protect(acme, at=NOW + timedelta(days=400))
    assert not is_granted()


def test_what_is_paused_cannot_be_paused_nor_what_is_not_resumed(acme: Account) -> None:
    with pytest.raises(Conflict, match="not paused") as refused:
        budgets.resume(acme, at=NOW, by=ALICE)
    assert refused.value.error_code == "budget_not_paused"

    budgets.pause(acme, reason="Holidays.", at=NOW, by=ALICE)
    with pytest.raises(Conflict, match=r"paused already: Holidays\.") as refused:
        budgets.pause(acme, reason="Again.", at=NOW, by=ALICE)
    assert refused.value.error_code == "budget_paused"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 141, "a\x00b"])
def test_a_pause_says_why_in_a_few_words(acme: Account, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^reason: "):
        budgets.pause(acme, reason=reason, at=NOW, by=ALICE)


def test_the_longest_reason_fits_where_calls_are_refused_with_it(acme: Account) -> None:
    budgets.pause(acme, reason="x" * 140, at=NOW, by=ALICE)

    with pytest.raises(UsageLimitExceededException, match=r"x{140}\. Resume the budget to go on"):
        ask()
