"""Billing profiles, payments, credit notes and Stripe's events in the admin."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from subscriptions import credit_notes
from subscriptions.models import BillingProfile, CreditNoteKind, Payment, StripeEvent, StripeEventState
from tests.support.cast import NOW, an_account
from tests.support.staff_invoices import (
    a_clerk,
    a_profile,
    an_invoice,
    charged,
    declined,
    history,
    offered,
    queries_of,
)
from tests.support.subscribing import TESTS

pytestmark = pytest.mark.django_db

ADDRESS = {"line1": "Unter den Linden 1", "line2": "", "city": "Berlin", "state": "", "postal_code": "10117"}
PROFILE = {"name": "Acme Inc", "email": "pay@acme.example", "tax_id": "", **ADDRESS, "country": "de"}


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def staff() -> Client:
    return a_clerk("settle_billinghistory")


def page(model: str, name: str, *arguments: object, **query: str) -> str:
    return reverse(f"admin:subscriptions_{model}_{name}", args=arguments, query=query or None)


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def listed(client: Client, model: str, **query: str) -> int:
    return len(client.get(page(model, "changelist", **query)).context["cl"].result_list)


def an_event(event_id: str = "evt_1", *, state: str = "parked", body: str = '{"a":{"b":1}}') -> StripeEvent:
    return StripeEvent.objects.create(
        event_id=event_id,
        type="charge.refunded",
        object_id="ch_1",
        created_at=NOW,
        received_at=NOW,
        body=body,
        state=state,
        attempts=3,
        error="No such charge",
        next_attempt_at=NOW if state == StripeEventState.RECEIVED else None,
    )


def test_a_profile_is_added_for_an_account_without_one(staff: Client) -> None:
    account = an_account()

    staff.post(page("billingprofile", "add"), {"account": account.pk, **PROFILE})

    made = BillingProfile.objects.get()
    assert (made.name, made.email, made.address["country"]) == ("Acme Inc", "pay@acme.example", "DE")
    assert history() == [
        "Invoices of Acme go to Acme Inc, pay@acme.example, Unter den Linden 1, Berlin, 10117, DE."
    ]


def test_a_second_profile_is_refused(staff: Client) -> None:
    profile = a_profile(an_account(), name="Kept")

    answer = staff.post(page("billingprofile", "add"), {"account": profile.account_id, **PROFILE})

    assert "it has a billing profile" in str(answer.context["form"].errors["account"])
    assert BillingProfile.objects.get().name == "Kept"


def test_editing_one_pushes_it_and_says_what_was(staff: Client) -> None:
    profile = a_profile(an_account(), name="Old Inc", address={"city": "Bonn"})
    shown = text(staff, page("billingprofile", "edit", profile.pk))
    assert 'value="Old Inc"' in shown
    assert 'value="Bonn"' in shown

    staff.post(page("billingprofile", "edit", profile.pk), PROFILE)

    profile.refresh_from_db()
    assert (profile.name, profile.push_at, profile.card_last4) == ("Acme Inc", NOW, "4242")
    assert history()[0].startswith("Invoices of Acme went to Old Inc, Bonn; now to Acme Inc")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("email", "nobody", "not an e-mail address"),
        ("country", "Germany", "two letters"),
        ("tax_id", "x" * 65, "at most 64 characters"),
    ],
)
def test_what_cannot_be_is_told_beside_its_field(staff: Client, field: str, value: str, told: str) -> None:
    profile = a_profile(an_account())

    answer = staff.post(page("billingprofile", "edit", profile.pk), {**PROFILE, field: value})

    assert told in str(answer.context["form"].errors[field])
    assert history() == []


def test_a_hold_is_lifted_with_a_reason_and_offered_only_where_there_is_one(staff: Client) -> None:
    profile = a_profile(an_account(), hold_reason="A dispute.")
    address = page("billingprofile", "change", profile.pk)
    assert offered(staff, address, {"edit", "lift-hold"}) == {"edit", "lift-hold"}

    staff.post(page("billingprofile", "lift_hold", profile.pk), {"reason": "Won it."})

    profile.refresh_from_db()
    assert profile.hold_reason == ""
    assert history() == ["The card of Acme may be charged again. Won it."]
    assert offered(staff, address, {"edit", "lift-hold"}) == {"edit"}


def test_profiles_are_filtered_by_what_is_wrong(staff: Client) -> None:
    a_profile(an_account("held"), hold_reason="A dispute.")
    a_profile(an_account("parked"), push_error="No such customer")
    a_profile(an_account("none"), payment_method_id="", card_last4="")

    assert [listed(staff, "billingprofile", card=value) for value in ("held", "none")] == [1, 1]
    assert listed(staff, "billingprofile", push="parked") == 1
    assert "visa 4242" in text(staff, page("billingprofile", "changelist"))


def test_payments_are_found_by_invoice_and_charge(staff: Client) -> None:
    paid = charged(an_invoice("acme"))
    declined(an_invoice("other"))

    assert listed(staff, "payment") == 2
    assert listed(staff, "payment", q=str(paid.number)) == 1
    assert listed(staff, "payment", q=f"ch_{paid.pk}_30") == 1
    assert listed(staff, "payment", state__exact="failed") == 1
    shown = text(staff, page("payment", "change", Payment.objects.get(state="failed").pk))
    assert "The card has no money." in shown


def test_credit_notes_are_listed_with_their_invoice(staff: Client) -> None:
    invoice = an_invoice()
    note = credit_notes.issue(
        invoice, kind=CreditNoteKind.REDUCE, amount=Decimal(5), reason="Outage.", at=NOW, by=TESTS
    )

    shown = text(staff, page("creditnote", "changelist"))
    assert note.number in shown
    assert str(invoice.number) in shown
    assert listed(staff, "creditnote", push="waiting") == 1
    assert "Outage." in text(staff, page("creditnote", "change", note.pk))


def test_events_are_listed_by_state_and_show_what_came(staff: Client) -> None:
    an_event("evt_parked")
    an_event("evt_done", state="done", body="no JSON")

    assert listed(staff, "stripeevent", state__exact="parked") == 1
    assert listed(staff, "stripeevent", q="evt_done") == 1
    assert "&quot;b&quot;: 1" in text(staff, page("stripeevent", "change", "evt_parked"))
    assert "no JSON" in text(staff, page("stripeevent", "change", "evt_done"))


@pytest.mark.parametrize(
    "body", ['{"client_secret": "seti_1_secret_x"}', '{"client_secret" : "seti_1_secret_x",']
)
def test_what_would_confirm_a_payment_is_not_shown(staff: Client, body: str) -> None:
    event = an_event(body=body)

    shown = text(staff, page("stripeevent", "change", event.pk))

    assert "client_secret" in shown
    assert "seti_1_secret_x" not in shown


def test_a_parked_event_is_run_again(staff: Client) -> None:
    event = an_event()
    address = page("stripeevent", "change", event.pk)
    assert offered(staff, address, {"run-again"}) == {"run-again"}

    staff.post(page("stripeevent", "run_again", event.pk))

    event.refresh_from_db()
    assert (event.state, event.attempts, event.next_attempt_at) == ("received", 0, NOW)
    assert history() == [
        "The next run processes charge.refunded (evt_1) again. It had failed with: No such charge"
    ]
    assert offered(staff, address, {"run-again"}) == set()


def test_parked_profiles_and_credit_notes_are_pushed_again(staff: Client) -> None:
    invoice = an_invoice()
    note = credit_notes.issue(
        invoice, kind=CreditNoteKind.REDUCE, amount=Decimal(5), reason="Outage.", at=NOW, by=TESTS
    )
    for model, row in (("billingprofile", a_profile(invoice.account)), ("creditnote", note)):
        address = page(model, "change", row.pk)
        assert offered(staff, address, {"push-again"}) == set()
        type(row)._default_manager.update(push_at=None, push_error="No such customer")
        assert offered(staff, address, {"push-again"}) == {"push-again"}

        staff.post(page(model, "push_again", row.pk))

        row.refresh_from_db()
        assert (row.push_at, row.push_error) == (NOW, "")
    for told, name in zip(history(), ("the billing profile of Acme", note), strict=True):
        assert told == f"The next run pushes {name} to Stripe again. It had failed with: No such customer"


@pytest.mark.parametrize("model", ["payment", "creditnote", "billingprofile", "creditgrant", "creditentry"])
def test_a_list_takes_as_many_queries_however_long_it_is(staff: Client, model: str) -> None:
    some_of_everything("one")
    few = queries_of(staff, page(model, "changelist"))
    for number in range(3):
        some_of_everything(f"more-{number}")

    many = queries_of(staff, page(model, "changelist"))
    assert listed(staff, model) == 4
    assert len(many) == len(few)
    assert not [each for each in many if "COUNT(" in each]


def some_of_everything(external_id: str) -> None:
    """A customer with a profile and a paid invoice, part of which was given back as credit."""
    invoice = charged(an_invoice(external_id))
    a_profile(invoice.account)
    credit_notes.issue(
        invoice, kind=CreditNoteKind.TO_CREDIT, amount=Decimal(5), reason="Kind.", at=NOW, by=TESTS
    )


def test_without_the_permission_profiles_are_only_looked_at() -> None:
    viewer, profile = a_clerk(), a_profile(an_account(), hold_reason="A dispute.")
    address = page("billingprofile", "change", profile.pk)

    assert viewer.get(address).status_code == 200
    assert offered(viewer, address, {"edit", "lift-hold"}) == set()
    for refused in (
        page("billingprofile", "add"),
        page("billingprofile", "edit", profile.pk),
        page("billingprofile", "lift_hold", profile.pk),
        page("billingprofile", "push_again", profile.pk),
        page("stripeevent", "run_again", an_event().pk),
    ):
        assert viewer.post(refused, {"reason": "x", **PROFILE}).status_code == 403
