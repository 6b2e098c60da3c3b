"""From a closed period or a changed subscription to an invoice with a number."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from subscriptions import adjustments, changes, credits, invoicing, lifecycle
from subscriptions.models import BillingHistory, CreditGrant, CreditKind, InvoiceItem, InvoiceLine
from tests.support.billing import broken_invoices, waiting
from tests.support.cast import an_account
from tests.support.invoices import (
    APRIL,
    GRACE,
    MARCH,
    MAY,
    a_customer,
    a_metered_plan,
    close,
    first_invoice,
    lines_of,
    period_of,
    use,
)
from tests.support.recording import prepare
from tests.support.subscribing import MONTHLY, TESTS, YEARLY, a_plan, start, subscribe
from usage.core.errors import TrackingException
from usage.models import Account, BillingPeriod, UsageSummary

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def world() -> None:
    prepare()


def acme() -> Account:
    return Account.objects.get(external_id="acme")


def test_a_start_is_invoiced_at_once() -> None:
    invoice = first_invoice(a_customer(account=acme()))

    assert lines_of(invoice) == [("base_fee", "30.00")]
    assert (invoice.number, invoice.state, invoice.amount_due) == ("2026-000001", "open", 30)
    assert (invoice.period_start, invoice.period_end) == (MARCH, APRIL)


def test_a_free_start_makes_no_invoice() -> None:
    subscription = start(a_plan("free", price="0"), account=acme(), at=MARCH)

    assert invoicing.invoice_changes(subscription, at=MARCH) is None


def test_a_closed_period_bills_its_overage_and_the_next_fee() -> None:
    subscription = a_customer(account=acme())
    first_invoice(subscription)
    use("4", at=MARCH + timedelta(days=1))
    use("11", at=MARCH + timedelta(days=2))

    invoice = close(subscription)

    assert lines_of(invoice) == [
        ("base_fee", "30.00"),
        ("usage", "15.00"),
        ("included", "-10.00"),
        ("markup", "1.00"),  # 20 % of 5
    ]
    assert invoice.total == 36
    fee = invoice.lines.get(kind="base_fee")
    assert (fee.period_start, fee.period_end) == (APRIL, MAY)
    assert period_of(acme()).closed_at == APRIL + GRACE


def test_a_fee_that_no_sweep_had_invoiced_is_on_the_invoice_of_the_period() -> None:
    invoice = close(a_customer(account=acme()))

    assert lines_of(invoice) == [("base_fee", "30.00"), ("base_fee", "30.00")]


def test_a_period_is_closed_once() -> None:
    subscription = a_customer(account=acme())
    close(subscription)

    assert invoicing.close_period(period_of(acme()), at=MAY) is None
    assert BillingHistory.objects.count() == 1


def test_a_period_that_is_not_over_cannot_be_closed() -> None:
    a_customer(account=acme())

    assert invoicing.close_period(period_of(acme()), at=APRIL - timedelta(seconds=1)) is None


def test_a_period_with_nothing_to_bill_is_closed_without_an_invoice() -> None:
    start(a_plan("free", price="0"), account=acme(), at=MARCH)

    assert invoicing.close_period(period_of(acme()), at=APRIL) is None
    assert period_of(acme()).closed_at == APRIL
    assert not BillingHistory.objects.exists()


def test_usage_within_a_free_plan_is_on_an_invoice_of_nothing_that_is_paid() -> None:
    subscription = start(a_plan("free", price="0", included_usage=Decimal(2)), account=acme(), at=MARCH)
    use("1.5", at=MARCH)

    invoice = close(subscription)

    assert lines_of(invoice) == [("usage", "1.50"), ("included", "-1.50")]
    assert (invoice.state, invoice.amount_due, invoice.number) == ("paid", 0, "2026-000001")


def test_usage_beyond_a_plan_that_blocks_is_not_charged() -> None:
    subscription = start(a_plan("fixed", included_usage=Decimal(2)), account=acme(), at=MARCH)
    first_invoice(subscription)
    use("5", at=MARCH)

    assert lines_of(close(subscription)) == [
        ("base_fee", "30.00"),
        ("usage", "5.00"),
        ("included", "-5.00"),
    ]


def test_usage_of_an_account_without_a_subscription_is_billed_to_nobody() -> None:
    use("5", at=MARCH)
    period = period_of(acme())

    assert invoicing.close_period(period, at=APRIL) is None
    assert period_of(acme()).closed_at == APRIL


def test_late_usage_is_on_the_open_period_s_invoice_with_its_own_dates() -> None:
    subscription = a_customer(account=acme())
    happened = MARCH + timedelta(days=20)
    close(subscription)
    use("12", at=APRIL + timedelta(days=2), happened=happened)

    invoice = close(subscription, of=APRIL)

    late = invoice.lines.get(kind="late_usage")
    assert (late.period_start, late.period_end) == (happened, happened)
    assert invoice.total == 30 + Decimal("2.4")


def test_an_upgrade_is_invoiced_at_once_with_both_parts_of_the_proration() -> None:
    subscription = a_customer(account=acme())
    first_invoice(subscription)
    middle = MARCH + timedelta(days=15, hours=12)  # half of 31 days
    upgraded = subscribe(a_metered_plan("larger", price="90"), account=acme(), at=middle)

    invoice = first_invoice(upgraded, at=middle)

    assert lines_of(invoice) == [("proration_credit", "-15.00"), ("proration_charge", "45.00")]
    assert invoice.total == 30


def test_what_a_downgrade_gives_back_waits_for_the_period_s_invoice_and_becomes_a_credit() -> None:
    subscription = start(a_plan("dear", price="300"), account=acme(), at=MARCH)
    first_invoice(subscription)
    middle = MARCH + timedelta(days=15, hours=12)
    cheaper = changes.change_plan(
        subscription, plan=a_plan("cheap", price="10"), cycle=MONTHLY, at=middle, by=TESTS,
        when=changes.Timing.NOW,
    )  # fmt: skip

    assert invoicing.invoice_changes(cheaper, at=middle) is None
    invoice = close(cheaper)

    # 150 back, 5 for the rest of March, 10 for April.
    assert invoice.total == -135
    assert (invoice.state, invoice.amount_due) == ("paid", 0)
    credit = CreditGrant.objects.get()
    assert (credit.balance, credit.from_invoice) == (135, invoice)


def test_the_terms_of_the_version_in_force_at_the_end_of_the_period_count_for_all_of_it() -> None:
    subscription = a_customer(account=acme())
    first_invoice(subscription)
    use("40", at=MARCH + timedelta(days=1))
    later = MARCH + timedelta(days=10)
    upgraded = subscribe(
        a_metered_plan("larger", price="90", included_usage=Decimal(35)), account=acme(), at=later
    )
    first_invoice(upgraded, at=later)

    assert lines_of(close(upgraded))[1:] == [("usage", "40.00"), ("included", "-35.00"), ("markup", "1.00")]


def test_a_yearly_subscription_is_invoiced_monthly_for_its_usage() -> None:
    subscription = start(a_metered_plan(), account=acme(), cycle=YEARLY, at=MARCH)
    assert first_invoice(subscription).total == 300
    use("15", at=MARCH)

    assert lines_of(close(subscription)) == [("usage", "15.00"), ("included", "-10.00"), ("markup", "1.00")]


def test_overdue_terms_are_ended_before_a_period_is_closed() -> None:
    subscription = a_customer(account=acme())
    first_invoice(subscription)
    lifecycle.cancel(subscription, at=MARCH, by=TESTS)
    use("11", at=MARCH)

    invoice = close(subscription)

    assert [kind for kind, _ in lines_of(invoice)] == ["usage", "included", "markup"]
    subscription.refresh_from_db()
    assert subscription.state == "canceled"


def test_the_rest_of_a_term_that_began_during_a_pause_is_invoiced_on_resuming() -> None:
    subscription = a_customer(account=acme())
    first_invoice(subscription)
    lifecycle.pause(subscription, at=MARCH, by=TESTS)
    middle = APRIL + timedelta(days=15)
    assert invoicing.close_period(period_of(acme()), at=APRIL) is None
    resumed = lifecycle.resume(subscription, at=middle, by=TESTS)

    assert lines_of(first_invoice(resumed, at=middle)) == [("base_fee", "15.00")]


def test_credits_are_taken_before_anything_is_charged() -> None:
    subscription = a_customer(account=acme())
    for kind, amount in ((CreditKind.PREPAID, "25"), (CreditKind.PROMOTIONAL, "3")):
        credits.grant(acme(), kind=kind, amount=Decimal(amount), reason="Hello.", at=MARCH, by=TESTS)

    invoice = first_invoice(subscription)

    assert (invoice.total, invoice.credit_applied, invoice.amount_due) == (30, 28, 2)
    assert credits.balance_of(acme(), at=MARCH) == 0


def test_credits_that_cover_all_of_it_make_it_paid() -> None:
    credits.grant(acme(), kind=CreditKind.PREPAID, amount=Decimal(50), reason="Ahead.", at=MARCH, by=TESTS)

    invoice = first_invoice(a_customer(account=acme()))

    assert (invoice.state, invoice.amount_due) == ("paid", 0)
    assert credits.balance_of(acme(), at=MARCH) == 20


@pytest.mark.parametrize(
    ("cost", "state", "due", "waits"),
    [
        ("10.408", "paid", "0", "0.49"),  # 0.408 and 20 % are 0.4896: below the 0.50 that can be charged
        ("10.416", "open", "0.50", None),  # 0.4992 are 0.50 in cents
        ("10.42", "open", "0.50", None),
    ],
)
def test_what_is_too_little_to_be_charged_is_carried_over(
    cost: str, state: str, due: str, waits: str | None
) -> None:
    subscription = a_customer(account=acme(), price="0")
    use(cost, at=MARCH)

    invoice = close(subscription)

    assert (invoice.state, invoice.amount_due) == (state, Decimal(due))
    item = InvoiceItem.objects.filter(line__isnull=True).first()
    assert (None if item is None else str(item.amount.quantize(Decimal("0.01")))) == waits
    if item is not None:
        use("20", at=APRIL)
        assert ("adjustment", "0.49") in lines_of(close(subscription, of=APRIL))
    assert broken_invoices() == []


def test_what_is_too_little_by_itself_waits_on_without_an_invoice_a_month() -> None:
    subscription = a_customer(account=acme())
    first_invoice(subscription)
    lifecycle.cancel(subscription, at=MARCH, by=TESTS)
    adjustments.add(acme(), amount=Decimal("0.30"), description="Postage.", at=MARCH, by=TESTS)

    period = period_of(acme())
    assert invoicing.close_period(period, at=APRIL + GRACE) is None

    assert period.closed_at == APRIL + GRACE
    assert waiting(acme()) == Decimal("0.30")


def test_a_period_whose_totals_are_not_the_log_s_is_not_billed() -> None:
    subscription = a_customer(account=acme())
    use("11", at=MARCH)
    UsageSummary.objects.update(cost=Decimal(12))

    with pytest.raises(TrackingException, match="does not add up"):
        close(subscription)

    assert period_of(acme()).closed_at is None
    assert not BillingHistory.objects.exists()


def test_a_fee_from_before_there_were_invoices_is_not_asked_for_again() -> None:
    subscription = a_customer(account=acme())
    with connection.cursor() as cursor:
        # As the migration marks them; the history can otherwise not be changed.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE subscription_changes SET is_billed_elsewhere = true")
        cursor.execute("SET session_replication_role = DEFAULT")

    assert invoicing.invoice_changes(subscription, at=MARCH) is None
    assert lines_of(close(subscription)) == [("base_fee", "30.00")]


def test_numbers_follow_each_other_in_their_year() -> None:
    for number in range(3):
        account = an_account(f"customer-{number}")
        subscription = start(a_plan(f"plan-{number}"), account=account, at=MARCH)
        first_invoice(subscription)

    assert list(BillingHistory.objects.order_by("id").values_list("number", flat=True)) == [
        "2026-000001",
        "2026-000002",
        "2026-000003",
    ]


def test_a_failed_finalizing_leaves_no_gap_in_the_numbers() -> None:
    draft = invoicing.invoice_changes(a_customer(account=acme()), at=MARCH)
    assert draft is not None
    with transaction.atomic():
        invoicing.finalize(draft, at=MARCH)
        transaction.set_rollback(True)

    assert invoicing.finalize(draft, at=MARCH).number == "2026-000001"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_history SET total = 1, subtotal = 1, amount_due = 1",
        "UPDATE billing_history SET number = '2026-000009'",
        "UPDATE billing_history SET bill_to = '{}'",
        "DELETE FROM billing_history_lines",
        "UPDATE billing_history_lines SET amount = 1",
        "UPDATE billing_history_lines SET evidence = ''",
        "UPDATE billing_history_events SET actor = 'nobody'",
    ],
)
def test_a_final_invoice_cannot_be_changed(statement: str) -> None:
    first_invoice(a_customer(account=acme()))

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_change_can_be_on_one_line_only() -> None:
    line = first_invoice(a_customer(account=acme())).lines.get()

    with pytest.raises(DatabaseError), transaction.atomic():
        InvoiceLine.objects.create(
            invoice=BillingHistory.objects.create(
                account=acme(), reason="subscription_changed", period_start=MARCH, period_end=APRIL,
                created_at=MARCH,
            ),
            position=1, kind=line.kind, description="Again", precise_amount=1, amount=1, change=line.change,
            period_start=MARCH, period_end=APRIL,
        )  # fmt: skip


def test_the_seller_and_the_buyer_are_kept_as_they_were() -> None:
    invoice = first_invoice(a_customer(account=acme()))
    Account.objects.update(name="Renamed")

    invoice.refresh_from_db()
    assert invoice.bill_to["name"] == "Acme"
    assert invoice.seller["name"] == "ALwrity Billing"


def test_periods_before_the_subscription_began_bill_nothing() -> None:
    use("5", at=MARCH - timedelta(days=3))
    before = BillingPeriod.objects.get()
    subscription = start(a_metered_plan(), account=acme(), at=MARCH)

    assert lines_of(first_invoice(subscription)) == [("base_fee", "30.00")]
    assert invoicing.close_period(before, at=APRIL) is None
