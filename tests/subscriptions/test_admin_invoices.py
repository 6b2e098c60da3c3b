"""Invoices in the admin: how they stand, what is behind them, and every button with what it does."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from subscriptions import adjustments, credits, invoicing, month_close, settling
from subscriptions.models import (
    BillingHistory,
    CreditGrant,
    CreditKind,
    CreditNote,
    InvoiceCollection,
    InvoiceItem,
    Payment,
)
from tests.support.cast import NOW, an_account
from tests.support.staff_invoices import (
    a_clerk,
    afresh,
    an_invoice,
    charged,
    declined,
    history,
    offered,
    queries_of,
)
from tests.support.subscribing import TESTS, a_plan, start

pytestmark = pytest.mark.django_db

BUTTONS = {"prove", "record-payment", "credit-note", "adjust", "void", "give-up"}
PUSH = {"push-again"}


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def staff() -> Client:
    return a_clerk("settle_billinghistory")


def page(name: str, *arguments: object, **query: str) -> str:
    return reverse(f"admin:subscriptions_billinghistory_{name}", args=arguments, query=query or None)


def press(client: Client, name: str, invoice: BillingHistory, **fields: str) -> str:
    """What the page behind a button answers to the filled-in form."""
    return client.post(page(name, invoice.pk), fields, follow=True).content.decode()


def listed(client: Client, **query: str) -> list[str]:
    """The accounts of the invoices that the list shows, in its order."""
    shown = client.get(page("changelist", **query))
    return [row.account.external_id for row in shown.context["cl"].result_list]


def buttons(client: Client, invoice: BillingHistory) -> set[str]:
    return offered(client, page("change", invoice.pk), BUTTONS | PUSH)


def test_the_list_says_how_invoices_stand(staff: Client) -> None:
    an_invoice()

    shown = staff.get(page("changelist")).content.decode()

    assert "2026-000001" in shown
    assert "Acme" in shown
    assert "30.00" in shown
    assert "2026-03-15 12:00" in shown


def test_invoices_are_found_by_number_and_by_account(staff: Client) -> None:
    first, second = an_invoice("acme"), an_invoice("other")

    assert listed(staff) == ["other", "acme"]
    assert listed(staff, q=str(first.number)) == ["acme"]
    assert listed(staff, q="othe") == ["other"]
    assert listed(staff, q="nobody") == []
    assert second.number != first.number


def test_invoices_are_filtered_by_what_is_wrong_with_them(staff: Client) -> None:
    declined(an_invoice("declined"))
    charged(an_invoice("paid"))
    parked = an_invoice("parked")
    InvoiceCollection.objects.filter(invoice=parked).update(push_at=None, push_error="No such customer")

    assert listed(staff, state__exact="paid") == ["paid"]
    assert listed(staff, attention="failed") == ["declined"]
    assert listed(staff, attention="parked") == ["parked"]
    assert listed(staff, attention="overdue") == []
    an_invoice("late", at=NOW - timedelta(days=14, seconds=1))
    assert listed(staff, attention="overdue") == ["late"]


def test_invoices_are_filtered_by_the_days_they_were_finalized_in(staff: Client) -> None:
    for external_id, at in (
        ("before", datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("first", datetime(2026, 3, 2, tzinfo=UTC)),
        ("last", datetime(2026, 3, 3, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("after", datetime(2026, 3, 4, tzinfo=UTC)),
    ):
        an_invoice(external_id, at=at)

    assert listed(staff, since="2026-03-02", until="2026-03-03") == ["last", "first"]
    assert listed(staff, since="2026-03-03") == ["after", "last"]
    assert listed(staff, until="9999-12-31", since="0001-01-01") == ["after", "last", "first", "before"]
    assert staff.get(page("changelist", since="yesterday")).status_code == 302


def test_the_list_is_read_with_as_many_queries_however_long_it_is(staff: Client) -> None:
    an_invoice("one")
    few = queries_of(staff, page("changelist"))
    for number in range(5):
        an_invoice(f"more-{number}")

    assert len(queries_of(staff, page("changelist"))) == len(few)


def test_the_list_counts_nothing_and_ends_somewhere(staff: Client) -> None:
    an_invoice()

    assert not [each for each in queries_of(staff, page("changelist")) if "COUNT(" in each]
    assert listed(staff, p="200") == []
    assert staff.get(page("changelist", p="201")).status_code == 302


def test_the_page_tells_what_is_behind_an_invoice(staff: Client) -> None:
    account = an_account()
    credits.grant(account, kind=CreditKind.PROMOTIONAL, amount=Decimal(4), reason="Hello.", at=NOW, by=TESTS)
    draft = invoicing.invoice_changes(start(a_plan(), account=account), at=NOW)
    assert draft is not None
    invoice = declined(invoicing.finalize(draft, at=NOW))

    shown = staff.get(page("change", invoice.pk)).content.decode()

    for told in ("Lines", "Timeline", "Payments", "Credits", "Collection at Stripe"):
        assert f">{told}</h2>" in shown
    for told in ("Team, monthly", "Base fee", "-4.00", "The card has no money.", "2026-03-18 12:00"):
        assert told in shown


def test_the_page_is_read_with_as_many_queries_however_much_is_behind_it(staff: Client) -> None:
    invoice = an_invoice()
    press(staff, "record_payment", invoice, amount="1", method="cheque", reference="")
    few = queries_of(staff, page("change", invoice.pk))
    for number in range(5):
        press(staff, "record_payment", invoice, amount="1", method="cheque", reference=f"{number}")

    assert len(queries_of(staff, page("change", invoice.pk))) == len(few)


def test_every_state_offers_what_it_allows(staff: Client) -> None:
    draft = invoicing.invoice_changes(start(a_plan(), account=an_account("draft")), at=NOW)
    assert draft is not None
    open_ = an_invoice("open")
    part = charged(an_invoice("part"), amount="10")
    given_up = settling.give_up(an_invoice("lost"), at=NOW, by=TESTS, reason="x")
    void = settling.void(an_invoice("void"), at=NOW, by=TESTS, reason="x")

    assert buttons(staff, draft) == {"prove"}
    assert buttons(staff, open_) == BUTTONS
    assert buttons(staff, part) == BUTTONS - {"void"}
    assert buttons(staff, given_up) == BUTTONS - {"give-up"}
    assert buttons(staff, charged(an_invoice("paid"))) == {"prove", "credit-note", "adjust"}
    assert buttons(staff, void) == {"prove", "adjust"}


def test_without_the_permission_nothing_is_offered_and_nothing_happens() -> None:
    viewer, invoice = a_clerk(), an_invoice()

    assert buttons(viewer, invoice) == {"prove"}
    for name in ("record_payment", "credit_note", "adjust", "void", "give_up", "push_again"):
        assert viewer.post(page(name, invoice.pk), {"reason": "x"}).status_code == 403
    assert afresh(invoice).state == "open"


def test_voiding_waives_it_and_keeps_the_reason(staff: Client) -> None:
    invoice = an_invoice()

    assert "is void" in press(staff, "void", invoice, reason="Billed twice.")

    assert afresh(invoice).state == "void"
    event = invoice.events.latest("id")
    assert (event.kind, event.actor, event.reason) == ("voided", "clerk", "Billed twice.")
    assert history() == ["Invoice 2026-000001 is void. Billed twice."]


def test_giving_up_stops_charging_and_keeps_the_reason(staff: Client) -> None:
    invoice = an_invoice()

    press(staff, "give_up", invoice, reason="Bankrupt.")

    assert afresh(invoice).state == "uncollectible"
    assert InvoiceCollection.objects.get().next_payment_at is None
    assert history() == ["Invoice 2026-000001 is uncollectible. Bankrupt."]


def test_a_payment_by_hand_is_recorded_and_pays(staff: Client) -> None:
    invoice = an_invoice()
    shown = staff.get(page("record_payment", invoice.pk)).content.decode()
    assert 'value="30.00"' in shown
    assert 'value="bank transfer"' in shown

    press(staff, "record_payment", invoice, amount="30.00", method="bank transfer", reference="Line 7")

    paid = Payment.objects.get()
    assert (paid.amount, paid.method, paid.reference, paid.actor) == (30, "bank transfer", "Line 7", "clerk")
    assert afresh(invoice).state == "paid"
    assert history() == ["30.00 USD received for Invoice 2026-000001 by bank transfer. Line 7"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"amount": "30.01"}, "between 0.01 and 30 USD"),
        ({"amount": "0"}, "between 0.01 and 30 USD"),
        ({"amount": "-1"}, "between 0.01 and 30 USD"),
        ({"amount": "1.005"}, "no more than 2 decimal places"),
        ({"amount": "many"}, "Enter a number"),
        ({"method": ""}, "This field is required"),
    ],
)
def test_a_payment_that_cannot_be_is_told_beside_its_field(
    staff: Client, fields: dict[str, str], told: str
) -> None:
    sent = {"amount": "30", "method": "cheque", "reference": "", **fields}

    answer = staff.post(page("record_payment", an_invoice().pk), sent)

    assert told in str(answer.context["form"].errors[next(iter(fields))])
    assert not Payment.objects.exists()


def test_a_credit_note_reduces_what_is_open(staff: Client) -> None:
    invoice = an_invoice()

    press(staff, "credit_note", invoice, kind="reduce", amount="10", reason="Outage.")

    note = CreditNote.objects.get()
    assert (note.amount, note.reason, note.actor) == (10, "Outage.", "clerk")
    assert afresh(invoice).amount_remaining == 20
    assert history() == [
        "Credit note CN-2026-000001: 10.00 USD of Invoice 2026-000001, reduces what is due. Outage."
    ]


def test_a_credit_note_to_what_was_paid_says_what_it_can_be_at_most(staff: Client) -> None:
    invoice = charged(an_invoice())

    shown = staff.get(page("credit_note", invoice.pk)).content.decode()
    assert "Refunded to the card" in shown
    assert "30.00" in shown
    told = press(staff, "credit_note", invoice, kind="to_credit", amount="30.01", reason="x")
    press(staff, "credit_note", invoice, kind="to_credit", amount="12", reason="Kind.")

    assert "between 0.01 and 30 USD" in told
    assert CreditGrant.objects.get().balance == 12


def test_adjusting_leads_to_the_next_invoice_s_form(staff: Client) -> None:
    invoice = an_invoice()

    shown = staff.get(page("adjust", invoice.pk), follow=True).content.decode()
    assert 'value="2026-000001"' in shown

    fields = {
        "account": invoice.account_id,
        "amount": "-3",
        "description": "Sorry.",
        "corrects": "2026-000001",
    }
    staff.post(reverse("admin:subscriptions_invoiceitem_add"), fields)

    assert InvoiceItem.objects.get().corrects == invoice
    assert "Corrected on a later invoice" in staff.get(page("change", invoice.pk)).content.decode()


def test_an_invoice_is_proved_on_demand_by_whoever_may_see_it() -> None:
    viewer, invoice = a_clerk(), an_invoice()
    assert "What differs" not in viewer.get(page("prove", invoice.pk)).content.decode()

    assert "is proved, to the last digit" in press(viewer, "prove", invoice)


def test_what_cannot_be_proved_is_told_line_by_line(staff: Client) -> None:
    account = an_account()
    adjustments.add(account, amount=Decimal(-5), description="Outage.", at=NOW, by=TESTS)
    invoice = month_close.invoice_of(start(a_plan(), account=account), at=NOW)
    assert invoice is not None
    InvoiceItem.objects.update(amount=-6)

    told = press(staff, "prove", invoice)

    assert "Not all of Invoice 2026-000001 can be proved" in told
    assert "the item: it says -5, proved is -6" in told
    assert history() == []


def test_a_parked_push_is_tried_again(staff: Client) -> None:
    invoice = an_invoice()
    assert "push-again" not in buttons(staff, invoice)
    collection = InvoiceCollection.objects.filter(invoice=invoice)
    collection.update(push_at=None, push_error="No such customer", push_attempts=3)
    assert "push-again" in buttons(staff, invoice)

    press(staff, "push_again", invoice)

    assert (collection.get().push_at, collection.get().push_error) == (NOW, "")
    assert history() == [
        "The next run pushes Invoice 2026-000001 to Stripe again. It had failed with: No such customer"
    ]


def test_without_a_reason_nothing_happens(staff: Client) -> None:
    invoice = an_invoice()

    for name in ("void", "give_up"):
        assert "This field is required" in press(staff, name, invoice, reason="")
    assert afresh(invoice).state == "open"


def test_what_the_state_forbids_is_told_on_the_page(staff: Client) -> None:
    invoice = charged(an_invoice())

    assert "refund that by a credit note instead" in press(staff, "void", invoice, reason="x")
    assert history() == []
    assert afresh(invoice).state == "paid"
