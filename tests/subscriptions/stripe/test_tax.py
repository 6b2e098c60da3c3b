"""Tax by Stripe: a draft waits for it, is numbered with it, and its reports hear of each sale once."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from subscriptions import (
    adjustments,
    billing_profiles,
    credit_notes,
    credits,
    invoicing,
    month_close,
    settling,
    verification,
)
from subscriptions.core.invoices import InvoiceState
from subscriptions.models import (
    BillingHistory,
    CreditKind,
    CreditNote,
    CreditNoteKind,
    InvoiceCollection,
    InvoiceEventKind,
    InvoiceItem,
    Payment,
    TaxReport,
    UserSubscription,
)
from subscriptions.stripe import reconcile, tax
from subscriptions.stripe.simulator.server import Simulator
from tests.support.cast import NOW, an_account
from tests.support.paying import (
    AT_MOST,
    STAFF,
    a_saved_card,
    library,
    pushed,
    pushed_until_quiet,
    twin_of,
)
from tests.support.racing import by_clients
from tests.support.subscribing import a_plan, start
from usage.models import Account

pytestmark = pytest.mark.django_db

IN_GERMANY = {"line1": "Hauptstr. 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}
IN_TEXAS = {"city": "Austin", "state": "TX", "postal_code": "78701", "country": "US"}
FAILURES = ["error_500", "rate_limited_429", "timeout_before", "timeout_after_commit", "connection_reset"]


@pytest.fixture(autouse=True)
def at_stripe_with_tax(at_stripe: Simulator, settings: Any) -> Simulator:
    settings.STRIPE_TAX = True
    return at_stripe


def an_account_in(address: dict[str, str], external_id: str = "acme") -> Account:
    account = an_account(external_id)
    billing_profiles.change(
        account, name="Acme", email="billing@acme.test", address=address, tax_id="", at=NOW, by=STAFF
    )
    return account


def a_draft(account: Account, *, price: str = "30") -> BillingHistory:
    """What the first month of a subscription costs, 30 USD, as the system invoices it."""
    key = f"plan-{account.external_id}"
    invoice = month_close.invoice_of(start(a_plan(key, price=price), account=account), at=NOW)
    assert invoice is not None
    return invoice


def an_invoice(account: Account, *, price: str = "30") -> BillingHistory:
    """The same, with its tax and final."""
    draft = a_draft(account, price=price)
    compute()
    draft.refresh_from_db()
    assert draft.number is not None
    return draft


def compute() -> int:
    return tax.compute_due(at=NOW, limit=AT_MOST)


def amounts_of(invoice: BillingHistory) -> tuple[str, Decimal, Decimal, Decimal]:
    """State, subtotal, tax and total as they stand."""
    invoice.refresh_from_db()
    return invoice.state, invoice.subtotal, invoice.tax, invoice.total


def told() -> list[tuple[str, str, int, int]]:
    """What the tax reports have: of each transaction its reference, kind, amount and tax in cents."""
    api, found = library().v1.tax.transactions, []
    for report in TaxReport.objects.order_by("pk"):
        if report.stripe_tax_transaction_id:
            one = api.retrieve(report.stripe_tax_transaction_id, {"expand": ["line_items"]})
            (line,) = one.line_items.data if one.line_items else []
            found.append((one.reference, one.type, line.amount, line.amount_tax))
    return found


class TestGermany:
    def test_a_draft_waits_for_its_tax_is_numbered_pushed_and_paid_with_it(self) -> None:
        account = an_account_in(IN_GERMANY)
        a_saved_card(account)
        invoice = a_draft(account)
        assert (invoice.state, invoice.number) == (InvoiceState.DRAFT, None)
        assert month_close.finalize_drafts(at=NOW, limit=AT_MOST) == 0

        assert compute() == 1
        pushed()

        assert amounts_of(invoice) == (InvoiceState.PAID, Decimal(30), Decimal("5.70"), Decimal("35.70"))
        assert Payment.objects.get().amount == Decimal("35.70")
        assert [(line.description, line.amount) for line in twin_of(invoice).lines.data][-1] == ("Tax", 570)
        assert told() == [("2026-000001", "transaction", 3000, 570)]
        assert list(reconcile.differences(at=NOW)) == []

    def test_the_lines_and_the_tax_are_the_total(self) -> None:
        invoice = an_invoice(an_account_in(IN_GERMANY))

        lines = sum(invoice.lines.values_list("amount", flat=True))

        assert lines + invoice.tax == invoice.total == invoice.amount_due == Decimal("35.70")
        assert list(verification.verify(invoice)) == []

    def test_what_was_taxed_is_not_taxed_again(self) -> None:
        invoice = an_invoice(an_account_in(IN_GERMANY))

        assert compute() == 0
        again = invoicing.tax(invoice, amount=Decimal(1), calculation_id="taxcalc_2", at=NOW)

        assert (again.tax, again.number) == (Decimal("5.70"), "2026-000001")

    def test_credits_pay_the_tax_too_and_the_reports_hear_of_it_without_a_twin(self) -> None:
        account = an_account_in(IN_GERMANY)
        credits.grant(account, kind=CreditKind.PREPAID, amount=Decimal(50), reason="Paid.", at=NOW, by=STAFF)
        invoice = an_invoice(account)

        pushed()

        assert (invoice.state, invoice.credit_applied) == (InvoiceState.PAID, Decimal("35.70"))
        assert not InvoiceCollection.objects.exists()
        assert told() == [("2026-000001", "transaction", 3000, 570)]


class TestWaiting:
    def test_drafts_that_wait_take_no_place_of_others(self) -> None:
        waiting, ready = (a_draft(an_account_in(IN_GERMANY, name)) for name in ("acme", "other"))
        BillingHistory.objects.filter(pk=ready.pk).update(taxed_at=NOW)

        assert month_close.finalize_drafts(at=NOW, limit=1) == 1

        assert [amounts_of(each)[0] for each in (waiting, ready)] == [InvoiceState.DRAFT, InvoiceState.OPEN]

    def test_once_tax_is_off_again_they_are_final_without(self, settings: Any) -> None:
        draft = a_draft(an_account_in(IN_GERMANY))
        settings.STRIPE_TAX = False

        assert month_close.finalize_drafts(at=NOW, limit=AT_MOST) == 1

        assert amounts_of(draft) == (InvoiceState.OPEN, Decimal(30), Decimal(0), Decimal(30))


class TestElsewhere:
    def test_where_no_tax_is_collected_the_sale_is_told_all_the_same(self) -> None:
        invoice = an_invoice(an_account_in(IN_TEXAS))

        pushed()

        assert amounts_of(invoice) == (InvoiceState.OPEN, Decimal(30), Decimal(0), Decimal(30))
        assert told() == [("2026-000001", "transaction", 3000, 0)]

    @pytest.mark.parametrize("address", [None, {}, {"city": "Berlin"}])
    def test_without_a_country_there_is_no_tax_and_stripe_is_not_asked(
        self, address: dict[str, str] | None, at_stripe: Simulator
    ) -> None:
        account = an_account() if address is None else an_account_in(address)
        at_stripe.faults.add(method="POST", path="/v1/tax/.*", kind="error_500")

        invoice = an_invoice(account)
        pushed()

        assert amounts_of(invoice) == (InvoiceState.OPEN, Decimal(30), Decimal(0), Decimal(30))
        assert (invoice.taxed_at, invoice.tax_calculation_id) == (NOW, "")
        assert not TaxReport.objects.exists()

    def test_an_address_that_stripe_refuses_is_told_and_holds_up_no_other(self) -> None:
        refused = a_draft(an_account_in({"city": "Austin", "country": "US"}, "austin"))
        other = a_draft(an_account_in(IN_GERMANY))

        assert compute() == 1

        assert amounts_of(other)[0] == InvoiceState.OPEN
        assert amounts_of(refused)[0] == InvoiceState.DRAFT
        assert "tax location" in refused.tax_error

    def test_it_is_taxed_once_the_address_is_corrected(self) -> None:
        account = an_account_in({"city": "Austin", "country": "US"})
        invoice = a_draft(account)
        compute()
        billing_profiles.change(account, name="Acme", email="", address=IN_TEXAS, tax_id="", at=NOW, by=STAFF)

        assert compute() == 1

        invoice.refresh_from_db()
        assert (invoice.number, invoice.tax_error) == ("2026-000001", "")

    def test_the_refused_come_last_so_that_others_get_their_turn(self) -> None:
        a_draft(an_account_in({"city": "Austin", "country": "US"}, "austin"))
        other = a_draft(an_account_in(IN_GERMANY))

        runs = [tax.compute_due(at=NOW, limit=1) for _ in range(2)]

        assert runs == [0, 1]
        assert amounts_of(other)[0] == InvoiceState.OPEN


class TestTakingBack:
    def test_voiding_takes_back_all_of_it(self) -> None:
        invoice = an_invoice(an_account_in(IN_GERMANY))
        pushed()
        settling.void(invoice, at=NOW, by=STAFF, reason="A mistake.")

        pushed()

        assert told()[1:] == [("2026-000001-void", "reversal", -3000, -570)]

    def test_a_credit_note_takes_back_its_share_of_the_tax(self) -> None:
        invoice = an_invoice(an_account_in(IN_GERMANY))
        pushed()
        note = reduce(invoice, Decimal("11.90"))

        pushed()
        pushed()

        assert told()[1:] == [(note.number, "reversal", -1000, -190)]

    @pytest.mark.parametrize("kind", [CreditNoteKind.TO_CARD, CreditNoteKind.TO_CREDIT])
    def test_so_does_one_of_what_was_paid(self, kind: CreditNoteKind) -> None:
        account = an_account_in(IN_GERMANY)
        a_saved_card(account)
        invoice = an_invoice(account)
        pushed()
        invoice.refresh_from_db()
        credit_notes.issue(invoice, kind=kind, amount=Decimal("11.90"), reason="Sorry.", at=NOW, by=STAFF)

        pushed()

        assert told()[1:] == [("CN-2026-000001", "reversal", -1000, -190)]

    def test_voiding_after_a_credit_note_takes_back_the_rest(self) -> None:
        invoice = an_invoice(an_account_in(IN_GERMANY))
        reduce(invoice, Decimal("11.90"))
        settling.void(invoice, at=NOW, by=STAFF, reason="A mistake.")

        pushed()

        assert told()[1:] == [
            ("CN-2026-000001", "reversal", -1000, -190),
            ("2026-000001-void", "reversal", -2000, -380),
        ]

    def test_what_was_not_taxed_is_not_taken_back(self) -> None:
        invoice = an_invoice(an_account())
        reduce(invoice, Decimal(10))
        settling.void(invoice, at=NOW, by=STAFF, reason="A mistake.")

        pushed()

        assert not TaxReport.objects.exists()

    def test_a_reversal_waits_until_the_sale_is_told(self, at_stripe: Simulator) -> None:
        invoice = an_invoice(an_account_in(IN_GERMANY))
        settling.void(invoice, at=NOW, by=STAFF, reason="A mistake.")
        at_stripe.faults.add(method="POST", path=".*/create_from_calculation", kind="timeout_before")

        pushed()
        before = told()
        pushed_until_quiet()

        assert before == []
        assert [kind for _, kind, _, _ in told()] == ["transaction", "reversal"]


class TestFailures:
    @pytest.mark.parametrize("kind", FAILURES)
    @pytest.mark.parametrize(
        "path",
        ["/v1/tax/calculations", ".*/create_from_calculation", ".*/create_reversal"],
    )
    def test_each_thing_is_there_once_whatever_fails(
        self, at_stripe: Simulator, path: str, kind: str
    ) -> None:
        at_stripe.faults.add(method="POST", path=path, kind=kind)
        invoice = a_draft(an_account_in(IN_GERMANY))
        for _ in range(2):
            compute()
        settling.void(BillingHistory.objects.get(), at=NOW, by=STAFF, reason="A mistake.")

        pushed_until_quiet()

        assert amounts_of(invoice) == (InvoiceState.VOID, Decimal(30), Decimal("5.70"), Decimal("35.70"))
        assert told() == [
            ("2026-000001", "transaction", 3000, 570),
            ("2026-000001-void", "reversal", -3000, -570),
        ]

    def test_while_stripe_is_away_drafts_wait_and_nothing_is_noted(self, at_stripe: Simulator) -> None:
        drafts = [a_draft(an_account_in(IN_GERMANY, name)) for name in ("acme", "other")]
        at_stripe.stop()
        away = compute()
        at_stripe.start()

        assert (away, compute()) == (0, 2)
        assert [amounts_of(draft)[0] for draft in drafts] == [InvoiceState.OPEN] * 2

    def test_a_report_that_stripe_refuses_waits_for_somebody_and_holds_up_no_payment(self) -> None:
        account = an_account_in(IN_GERMANY)
        a_saved_card(account)
        invoice = an_invoice(account)
        report = TaxReport.objects.get()
        library().v1.tax.transactions.create_from_calculation(
            {"calculation": invoice.tax_calculation_id, "reference": "somebody-else"}
        )

        pushed()

        report.refresh_from_db()
        assert (report.push_at, "has a transaction already" in report.push_error) == (None, True)
        assert amounts_of(invoice)[0] == InvoiceState.PAID


class TestCarriedOver:
    def test_what_was_too_little_to_be_charged_is_taxed_where_it_came_from(self) -> None:
        account = an_account_in(IN_GERMANY)
        first = an_invoice(account, price="0.30")
        subscription = UserSubscription.objects.get()
        assert amounts_of(first) == (InvoiceState.PAID, Decimal("-0.06"), Decimal("0.06"), Decimal(0))

        second = next_invoice(subscription)
        pushed(at=subscription.term_end + timedelta(days=1))

        # 0.30 of the next month, 0.36 carried over: 19 % of 0.30.
        assert amounts_of(second)[1:3] == (Decimal("0.66"), Decimal("0.06"))
        assert [each[2:] for each in told()] == [(30, 6), (30, 6)]
        assert [list(verification.verify(each)) for each in (first, second)] == [[], []]

    def test_nor_is_what_staff_withdrew_of_it_taken_off(self) -> None:
        an_invoice(an_account_in(IN_GERMANY), price="0.30")
        adjustments.withdraw(InvoiceItem.objects.get(), reason="A gift.", at=NOW, by=STAFF)

        second = next_invoice(UserSubscription.objects.get())

        # 19 % of 0.30; all of it is too little to be charged again.
        assert amounts_of(second)[2:] == (Decimal("0.06"), Decimal(0))


@pytest.mark.django_db(transaction=True)
def test_runs_at_the_same_time_number_and_report_a_draft_once() -> None:
    invoice = a_draft(an_account_in(IN_GERMANY))

    by_clients(lambda _: compute(), times=4, clients=4)

    assert amounts_of(invoice) == (InvoiceState.OPEN, Decimal(30), Decimal("5.70"), Decimal("35.70"))
    assert invoice.events.filter(kind=InvoiceEventKind.FINALIZED).count() == 1
    assert TaxReport.objects.count() == 1


def test_off_by_default_nothing_waits_and_stripe_is_not_asked(at_stripe: Simulator, settings: Any) -> None:
    settings.STRIPE_TAX = False
    at_stripe.faults.add(method="POST", path="/v1/tax/.*", kind="error_500")

    invoice = a_draft(an_account_in(IN_GERMANY))
    pushed()

    assert amounts_of(invoice) == (InvoiceState.OPEN, Decimal(30), Decimal(0), Decimal(30))
    assert (invoice.taxed_at, TaxReport.objects.exists()) == (None, False)
    assert len(at_stripe.faults.pending()) == 1


def reduce(invoice: BillingHistory, amount: Decimal) -> CreditNote:
    return credit_notes.issue(
        invoice, kind=CreditNoteKind.REDUCE, amount=amount, reason="Sorry.", at=NOW, by=STAFF
    )


def next_invoice(subscription: UserSubscription) -> BillingHistory:
    """What the subscription's first period comes to, with the fee of the next."""
    at = subscription.term_end + timedelta(hours=1)
    month_close.close_due(at=at, limit=AT_MOST)
    assert tax.compute_due(at=at, limit=AT_MOST) == 1
    return BillingHistory.objects.latest("pk")
