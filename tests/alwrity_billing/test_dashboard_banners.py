from datetime import timedelta
from decimal import Decimal

import pytest

from alwrity_billing.dashboard.banners import banner_of
from subscriptions.attention import BudgetPauses, CardExpires, TrialEnds, Unpaid
from subscriptions.models import BillingHistory, InvoiceCollection
from tests.support.cast import NOW


def unpaid(*, paused: bool = False, next_days: int | None = 3, failure: str = "It was declined.") -> Unpaid:
    invoice = BillingHistory(number="2026-000007", state="open")
    invoice.collection = InvoiceCollection(invoice=invoice, hosted_url="https://pay.example/7")
    return Unpaid(
        amount=Decimal("1234.50"),
        invoice=invoice,
        failure=failure,
        next_attempt_at=None if next_days is None else NOW + timedelta(days=next_days),
        paused=paused,
    )


def a_trial(*, converts: bool = True, fee: str = "30", has_card: bool = False) -> TrialEnds:
    return TrialEnds(at=NOW, plan="Team", converts=converts, fee=Decimal(fee), has_card=has_card)


def test_an_unpaid_invoice_says_how_much_why_and_what_happens_next() -> None:
    banner = banner_of(unpaid())

    assert banner.heading == "$1,234.50 could not be paid"
    assert banner.text == (
        "Invoice 2026-000007: It was declined. Your calls still work. "
        "The card is charged again on 18 March 2026."
    )
    assert (banner.tone, banner.card_button) == ("error", "Update card")
    assert banner.payment_url == "https://pay.example/7"


def test_without_another_attempt_none_is_promised() -> None:
    assert "charged again" not in banner_of(unpaid(next_days=None)).text


def test_a_pause_for_it_says_that_calls_are_refused() -> None:
    banner = banner_of(unpaid(paused=True, next_days=None))

    assert banner.heading == "Your subscription is paused: $1,234.50 could not be paid"
    assert "Calls are refused" in banner.text
    assert "still work" not in banner.text


@pytest.mark.parametrize(
    ("trial", "says", "card_button", "plans_link"),
    [
        (a_trial(), "costs $30.00. Add a card", "Add a card", ""),
        (a_trial(has_card=True), "charged $30.00", "", ""),
        (a_trial(fee="0"), "without a fee", "", ""),
        (a_trial(converts=False), "calls are refused", "", "See the plans"),
    ],
)
def test_a_trial_says_what_follows_and_what_helps(
    trial: TrialEnds, says: str, card_button: str, plans_link: str
) -> None:
    banner = banner_of(trial)

    assert banner.heading == "Your trial of Team ends on 15 March 2026"
    assert says in banner.text
    assert (banner.card_button, banner.plans_link) == (card_button, plans_link)


@pytest.mark.parametrize(
    ("has_expired", "heading"),
    [
        (False, "Your Visa ending in 4242 expires before 15 March 2026"),
        (True, "Your Visa ending in 4242 has expired"),
    ],
)
def test_a_card_that_runs_out_is_named(has_expired: bool, heading: str) -> None:
    banner = banner_of(CardExpires(at=NOW, brand="visa", last4="4242", has_expired=has_expired))

    assert (banner.heading, banner.card_button) == (heading, "Update card")


def test_a_budget_that_is_used_up_says_until_when_and_what_helps() -> None:
    banner = banner_of(BudgetPauses(reason="The monthly budget of 40 USD is used up.", until=NOW, by=""))

    assert banner.heading == (
        "The monthly budget of 40 USD is used up: calls are refused until 15 March 2026"
    )
    assert "raise the budget" in banner.text
    assert banner.tone == "error"


def test_a_pause_by_hand_says_whose_it_is_and_why() -> None:
    banner = banner_of(BudgetPauses(reason="A runaway script.", until=None, by="alice"))

    assert banner.heading == "All calls are paused by alice: A runaway script"
    assert "resumes the budget" in banner.text
