"""What webhooks lead to: each is taken over as Stripe has it, once, whatever the order they come in."""

import random
from collections.abc import Iterable
from decimal import Decimal

import pytest
import stripe
import time_machine
from django.apps import apps
from django.db import models, transaction
from django.utils import timezone

from subscriptions.core.states import State
from subscriptions.models import (
    BillingProfile,
    InvoiceEvent,
    InvoiceEventKind,
    Payment,
    PaymentState,
    StripeEvent,
    UserSubscription,
)
from subscriptions.stripe import holds, inbox, reconcile
from subscriptions.stripe.simulator.server import Simulator
from tests.support.cast import NOW, an_account
from tests.support.concurrency import at_once
from tests.support.paying import (
    a_checkout,
    a_saved_card,
    an_invoice,
    collection_of,
    deliver,
    library,
    processed,
    pushed,
)
from tests.support.subscribing import a_plan, start
from usage.models import Account

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_stripe")]

WORKERS = 4
# Each brings some hundred and ten events.
BUSY_DAYS, FEWEST_EVENTS = 5, 500
# What each run writes anew, or when it did.
NOT_COMPARED = (models.AutoField, models.BigAutoField, models.DateTimeField, models.ForeignKey)


def a_paying_account(name: str = "acme", card: str = "pm_card_visa") -> Account:
    """An account whose first invoice its card paid, or was to pay."""
    account = an_account(name)
    a_saved_card(account, card)
    an_invoice_of(account)
    pushed()
    return account


def an_invoice_of(account: Account) -> None:
    an_invoice(account, plan=a_plan(account.external_id))


def standing(account: Account) -> tuple[str, str, str]:
    """The payment's state, the subscription's, and why no card is charged."""
    return (
        Payment.objects.get(account=account).state,
        UserSubscription.objects.get(account=account).state,
        BillingProfile.objects.get(account=account).hold_reason,
    )


class TestInvoices:
    def test_what_the_customer_pays_on_stripes_page_is_paid(self) -> None:
        invoice = an_invoice()
        pushed()
        twin_id = collection_of(invoice).stripe_invoice_id or ""
        customer = BillingProfile.objects.get().stripe_customer_id or ""
        method = library().v1.payment_methods.attach("pm_card_visa", {"customer": customer})
        library().v1.invoices.pay(twin_id, {"payment_method": method.id})

        deliver()
        processed()

        invoice.refresh_from_db()
        assert (invoice.state, Payment.objects.get().amount) == ("paid", 30)
        assert collection_of(invoice).stripe_status == "paid"
        assert collection_of(invoice).hosted_url.startswith("http")


class TestRefunds:
    def test_a_refund_made_in_stripes_dashboard_is_told_of_the_payment(self) -> None:
        account = a_paying_account()
        charge = Payment.objects.get().stripe_charge_id or ""
        library().v1.refunds.create({"charge": charge, "amount": 500})

        deliver()
        processed()

        payment = Payment.objects.get()
        assert (payment.state, payment.refunded) == (PaymentState.SUCCEEDED, 5)
        refunded = InvoiceEvent.objects.get(kind=InvoiceEventKind.REFUNDED)
        assert (refunded.amount, refunded.invoice.account) == (Decimal(5), account)


class TestDisputes:
    def test_while_one_is_open_no_card_is_charged(self) -> None:
        account = a_paying_account(card="pm_card_createDispute")

        deliver()
        processed()

        assert standing(account) == (PaymentState.DISPUTED, State.ACTIVE, holds.DISPUTED)
        assert InvoiceEvent.objects.filter(kind=InvoiceEventKind.DISPUTED).count() == 1

    @pytest.mark.parametrize("is_told_before", [True, False])
    @pytest.mark.parametrize(
        ("outcome", "expected"),
        [
            ("won", (PaymentState.SUCCEEDED, State.ACTIVE, "")),
            ("lost", (PaymentState.LOST, State.PAUSED, holds.DISPUTED)),
        ],
    )
    def test_its_outcome_counts_whether_or_not_it_was_known_before(
        self, at_stripe: Simulator, outcome: str, expected: tuple[str, str, str], is_told_before: bool
    ) -> None:
        account = a_paying_account(card="pm_card_createDispute")
        (dispute,) = library().v1.disputes.list().data
        if is_told_before:
            deliver()
            processed()
        at_stripe.decide_dispute(dispute.id, outcome=outcome)

        deliver()
        processed()

        assert standing(account) == expected
        assert InvoiceEvent.objects.filter(kind=InvoiceEventKind.DISPUTED).count() == 1


def test_an_issuers_warning_of_fraud_holds_and_pauses_once() -> None:
    account = a_paying_account(card="pm_card_createIssuerFraudRecord")

    deliver()
    processed()

    assert standing(account) == (PaymentState.SUCCEEDED, State.PAUSED, holds.FRAUD)
    assert Payment.objects.get().fraud_warning == "misc"
    holds.lift(account, at=NOW)
    for event in StripeEvent.objects.all():
        inbox.run_again(event, at=timezone.now())
    processed()
    assert BillingProfile.objects.get().hold_reason == ""


class TestCards:
    def test_a_card_taken_off_at_stripe_is_no_card_here(self) -> None:
        account = an_account()
        profile = a_saved_card(account)
        library().v1.payment_methods.detach(profile.payment_method_id)

        deliver()
        processed()

        assert not BillingProfile.objects.get().has_card

    def test_a_customer_deleted_at_stripe_is_made_anew(self) -> None:
        account = an_account()
        customer = a_saved_card(account).stripe_customer_id or ""
        library().v1.customers.delete(customer)

        deliver()
        processed()
        an_invoice_of(account)
        pushed()

        profile = BillingProfile.objects.get()
        assert profile.stripe_customer_id not in (None, customer)
        assert not profile.has_card


def a_busy_day(simulator: Simulator, *, day: int) -> None:
    """Payments, refunds, disputes, declines and new cards of the day's accounts, of which we know what we
    asked for ourselves and no more.
    """
    api = library().v1
    for name, card in (
        ("pays", "pm_card_visa"), ("refunded", "pm_card_visa"), ("won", "pm_card_createDispute"),
        ("lost", "pm_card_createDispute"), ("warned", "pm_card_createIssuerFraudRecord"),
        ("declined", "pm_card_chargeCustomerFail"),
    ):  # fmt: skip
        a_paying_account(f"{name}-{day}", card)
    charges = dict(Payment.objects.values_list("account__external_id", "stripe_charge_id"))
    for amount in (500, 700):
        api.refunds.create({"charge": charges[f"refunded-{day}"] or "", "amount": amount})
    disputes = {dispute.charge: dispute.id for dispute in api.disputes.list({"limit": 100}).data}
    for name in ("won", "lost"):
        simulator.decide_dispute(disputes[charges[f"{name}-{day}"]], outcome=name)
    a_checkout(Account.objects.get(external_id=f"declined-{day}"))
    newcomer = an_account(f"newcomer-{day}")
    a_checkout(newcomer, plan=a_plan(f"chosen-{day}"))
    start(a_plan(f"free-{day}", price="0"), account=an_account(f"bystander-{day}"))


def everything() -> dict[str, list[str]]:
    """All our rows, without ids, times, and numbers, which are given in the order in which invoices come."""
    told = {}
    for model in apps.get_app_config("subscriptions").get_models():
        if model is not StripeEvent:
            fields = [field for field in model._meta.concrete_fields if not isinstance(field, NOT_COMPARED)]
            names = [field.attname for field in fields if not {"period", "number"} & {*field.name.split("_")}]
            told[model.__name__] = sorted(repr(row) for row in model._default_manager.values_list(*names))
    return told


def in_turn(events: Iterable[stripe.Event]) -> dict[str, list[str]]:
    """What is in our tables after these came one after the other; then they are as before."""
    with transaction.atomic():
        for event in events:
            deliver([event])
            inbox.process_due(at=NOW, limit=1)
        processed()
        found = everything()
        transaction.set_rollback(True)
    return found


@pytest.mark.django_db(transaction=True)
@time_machine.travel(NOW, tick=False)
def test_in_whatever_order_and_however_often_events_come_the_end_is_the_same(at_stripe: Simulator) -> None:
    for day in range(BUSY_DAYS):
        a_busy_day(at_stripe, day=day)
    events = list(library().v1.events.list({"limit": 100}).auto_paging_iter())[::-1]
    assert len(events) >= FEWEST_EVENTS
    often = events * 2
    shuffled = random.Random(1).sample(often, k=len(often))

    expected = in_turn(events)

    assert in_turn(events[::-1]) == expected
    assert in_turn(shuffled) == expected
    at_once(lambda worker: deliver(shuffled[worker::WORKERS]), times=WORKERS)
    at_once(lambda _: processed(), times=WORKERS)
    assert everything() == expected
    pushed()
    assert StripeEvent.objects.count() == len(events)
    assert not StripeEvent.objects.filter(state__in=["received", "parked"]).exists()
    assert list(reconcile.differences(at=NOW)) == []
