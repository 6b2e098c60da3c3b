"""Billing profiles: whom invoices go to, checked, told to Stripe, and held cards let go again."""

from datetime import timedelta

import pytest

from subscriptions import billing_profiles
from subscriptions.models import BillingProfile, InvoiceCollection
from tests.support.cast import NOW, an_account
from tests.support.staff_invoices import a_profile, afresh, an_invoice
from tests.support.subscribing import TESTS
from usage.core.errors import Conflict, InvalidRequest
from usage.models import Account

pytestmark = pytest.mark.django_db

ACME = {"name": "Acme Inc", "email": "pay@acme.example", "tax_id": "DE123456789"}
BERLIN = {"line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE"}


def change(account: Account, *, address: dict[str, str] = BERLIN, **fields: str) -> BillingProfile:
    return billing_profiles.change(account, address=address, at=NOW, by=TESTS, **{**ACME, **fields})


def test_the_first_change_makes_the_profile() -> None:
    profile = change(an_account())

    assert (profile.name, profile.email, profile.tax_id) == ("Acme Inc", "pay@acme.example", "DE123456789")
    assert profile.address == BERLIN
    assert profile.push_at is None


def test_stripe_hears_of_a_customer_it_knows() -> None:
    profile = a_profile(an_account(), push_attempts=4, push_error="No such customer")

    changed = change(profile.account)

    assert (changed.push_at, changed.push_attempts, changed.push_error) == (NOW, 0, "")
    assert (changed.card_last4, changed.stripe_customer_id) == ("4242", "cus_acme")


def test_everything_may_be_empty_and_nothing_empty_is_kept_of_the_address() -> None:
    changed = change(an_account(), name=" ", email="", tax_id="", address={"line1": " ", "country": "us "})

    assert (changed.name, changed.email, changed.address) == ("", "", {"country": "US"})


def test_final_invoices_keep_what_they_say() -> None:
    invoice = an_invoice()
    change(invoice.account)

    assert afresh(invoice).bill_to["name"] == "Acme"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"name": "x" * 201}, "name"),
        ({"tax_id": "x" * 65}, "tax_id"),
        ({"address": {"country": "Germany"}}, "country"),
        ({"address": {"country": "D1"}}, "country"),
        ({"address": {"country": "ÄÖ"}}, "country"),
        ({"address": {"line1": "x" * 201}}, "line1"),
        ({"address": {"planet": "Mars"}}, "address"),
    ],
)
def test_what_cannot_be_is_named(fields: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field}: "):
        change(an_account(), **fields)
    assert not BillingProfile.objects.exists()


def test_a_held_card_is_let_go_with_a_reason() -> None:
    profile = a_profile(an_account(), hold_reason="Disputed a payment.")

    with pytest.raises(InvalidRequest, match=r"^reason: "):
        billing_profiles.lift_hold(profile, reason=" ", at=NOW, by=TESTS)
    billing_profiles.lift_hold(profile, reason="Settled by phone.", at=NOW + timedelta(days=1), by=TESTS)

    profile.refresh_from_db()
    assert (profile.hold_reason, profile.updated_at) == ("", NOW + timedelta(days=1))


def test_what_is_open_is_charged_again_with_the_hold_gone() -> None:
    invoice = an_invoice()
    profile = a_profile(invoice.account, hold_reason="Disputed a payment.")
    waiting = InvoiceCollection.objects.filter(invoice=invoice)
    waiting.update(push_at=None)

    billing_profiles.lift_hold(profile, reason="Settled.", at=NOW, by=TESTS)

    assert waiting.get().push_at == NOW


def test_what_is_not_held_cannot_be_let_go() -> None:
    with pytest.raises(Conflict, match="Nothing holds"):
        billing_profiles.lift_hold(a_profile(an_account()), reason="x", at=NOW, by=TESTS)
