"""An invoice is proved from the log, the plan and the prices; a hand in any of them is told."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from subscriptions.models import BillingHistory, UserSubscription
from subscriptions.verification import verify
from tests.support.cast import an_event
from tests.support.invoices import (
    APRIL,
    MARCH,
    a_customer,
    a_metered_plan,
    close,
    first_invoice,
    use,
)
from tests.support.recording import prepare, record
from tests.support.subscribing import subscribe
from usage import retention
from usage.models import Account, APIUsageLog

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def subscription() -> UserSubscription:
    prepare()
    return a_customer(account=Account.objects.get(external_id="acme"))


@pytest.fixture
def invoice(subscription: UserSubscription) -> BillingHistory:
    """Four calls rated here, one whose cost was reported, a fee, what is included and a markup."""
    first_invoice(subscription)
    rated = [an_event(f"e{n}", at=MARCH + n * DAY, input_tokens=n * 1_000_000) for n in range(1, 5)]
    record(*rated, at=MARCH + 5 * DAY)
    use("3.5", at=MARCH + 6 * DAY, event_id="reported")
    return close(subscription)


def row(event_id: str = "e2") -> APIUsageLog:
    return APIUsageLog.objects.get(event_id=event_id)


def by_hand(statement: str, **values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def named(invoice: BillingHistory) -> set[int]:
    """The rows of the log that the proof names."""
    return {finding.log_id for finding in verify(invoice) if finding.log_id is not None}


def test_an_untouched_invoice_is_proved(invoice: BillingHistory) -> None:
    assert list(verify(invoice)) == []


def test_an_upgrade_is_proved_by_its_time_and_the_two_fees(subscription: UserSubscription) -> None:
    first_invoice(subscription)
    later = MARCH + timedelta(days=11, hours=5, microseconds=7)
    upgraded = subscribe(a_metered_plan("larger", price="90"), account=subscription.account, at=later)

    assert list(verify(first_invoice(upgraded, at=later))) == []


@pytest.mark.parametrize(
    "change",
    [
        "cost = cost + 0.000000000000000001",
        "cost = 0",
        "input_tokens = input_tokens + 1",
        "output_tokens = 0",
        "occurred_at = occurred_at + interval '1 second'",
        "recorded_at = recorded_at + interval '40 days'",
        "price_id = NULL",
        "price_id = 999999",
        "surcharge = 0.5",
        "list_cost = 1",
        "event_id = 'other'",
        "source = 'other'",
        "billing_period_id = 999999",
        "account_id = 999999",
    ],
)
def test_a_row_changed_by_hand_is_named(invoice: BillingHistory, change: str) -> None:
    changed = row()
    by_hand(" ".join(["UPDATE api_usage_logs SET", change, "WHERE id = %(id)s"]), id=changed.pk)

    assert changed.pk in named(invoice)


def test_a_row_whose_provider_or_model_was_changed_is_told_by_its_lines(invoice: BillingHistory) -> None:
    by_hand("UPDATE api_usage_logs SET model = 'gpt-9' WHERE id = %(id)s", id=row().pk)

    problems = [finding.problem for finding in verify(invoice)]
    assert any("4 events were billed, the log has 3" in problem for problem in problems)
    assert any("gpt-9" in problem for problem in problems)


def test_a_row_removed_by_hand_is_named(invoice: BillingHistory) -> None:
    removed = row()
    by_hand("DELETE FROM api_usage_logs WHERE id = %(id)s", id=removed.pk)

    assert named(invoice) == {removed.pk}


def test_a_row_added_by_hand_is_named(invoice: BillingHistory) -> None:
    added = row()
    added.pk, added.event_id = added.pk + 1000, "invented"
    added.save(force_insert=True)

    assert named(invoice) == {added.pk}


def test_a_row_moved_into_another_period_is_named_by_both_invoices(
    subscription: UserSubscription, invoice: BillingHistory
) -> None:
    use("20", at=APRIL + DAY, event_id="april")
    april = close(subscription, of=APRIL)
    moved = row("april")
    by_hand(
        "UPDATE api_usage_logs SET billing_period_id = %(period)s WHERE id = %(id)s",
        period=invoice.billing_period_id,
        id=moved.pk,
    )

    assert named(invoice) == {moved.pk}
    assert named(april) == {moved.pk}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "UPDATE billing_history_lines SET precise_amount = precise_amount + 1 WHERE kind = 'usage'",
            "the log",
        ),
        ("UPDATE billing_history_lines SET amount = amount + 1 WHERE kind = 'base_fee'", "in cents"),
        ("UPDATE billing_history_lines SET evidence = repeat('0', 64) WHERE kind = 'usage'", "hash"),
        ("UPDATE billing_history_lines SET event_count = 9 WHERE kind = 'usage'", "9 events were billed"),
        ("DELETE FROM billing_history_lines WHERE kind = 'markup'", "no line bills"),
        ("UPDATE billing_history_lines SET precise_amount = 31 WHERE kind = 'base_fee'", "the fee"),
        ("UPDATE subscription_changes SET amount_due = 29", "the fee"),
        ("UPDATE plan_versions SET price_monthly = 29", "by the plan"),
        ("UPDATE plan_versions SET included_usage = 9", "the log"),
        ("UPDATE billing_history SET credit_applied = 1, amount_due = amount_due - 1", "credits applied"),
    ],
)
def test_a_hand_in_the_invoice_or_its_terms_is_told(
    invoice: BillingHistory, statement: str, told: str
) -> None:
    # Not even triggers stop the owner of the database.
    by_hand(f"SET session_replication_role = replica; {statement}; SET session_replication_role = DEFAULT")
    invoice.refresh_from_db()

    assert any(told in finding.problem for finding in verify(invoice))


def test_the_command_proves_what_it_is_asked_for(invoice: BillingHistory) -> None:
    told = StringIO()

    call_command("verify_invoice", invoice.number, stdout=told)
    call_command("verify_invoice", "--all", stdout=told)

    assert "1 proved to the last digit" in told.getvalue()
    assert "2 proved to the last digit" in told.getvalue()


def test_the_command_names_the_row_and_fails(invoice: BillingHistory) -> None:
    changed = row()
    by_hand("UPDATE api_usage_logs SET cost = cost + 1 WHERE id = %(id)s", id=changed.pk)
    told = StringIO()

    with pytest.raises(CommandError, match="1 of 1 invoices could not be proved"):
        call_command("verify_invoice", invoice.number, stdout=told)

    assert f"log row {changed.pk} (tests/e2)" in told.getvalue()


@pytest.mark.parametrize("arguments", [[], ["2026-000001", "--all"], ["2020-000001"]])
def test_the_command_says_what_it_needs(invoice: BillingHistory, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"Give the numbers|There is no invoice"):
        call_command("verify_invoice", *arguments)


def test_a_credit_that_was_applied_is_part_of_the_proof(subscription: UserSubscription) -> None:
    from_the_start = first_invoice(subscription)

    assert from_the_start.credit_applied == Decimal(0)
    assert list(verify(from_the_start)) == []


def test_an_invoice_whose_log_was_pruned_says_so_and_not_that_it_differs(
    invoice: BillingHistory, settings: Any
) -> None:
    settings.LOG_RETENTION_MONTHS = 1
    retention.prune(at=APRIL + 35 * DAY, limit=100)

    assert [str(finding) for finding in verify(invoice)] == [
        "invoice: the usage log of its period was pruned (2026-03-01 to 2026-04-01): its usage can be proved "
        "no more"
    ]


def test_of_an_invoice_whose_log_was_pruned_the_fees_are_still_proved(
    invoice: BillingHistory, settings: Any
) -> None:
    settings.LOG_RETENTION_MONTHS = 1
    retention.prune(at=APRIL + 35 * DAY, limit=100)
    invoice.subtotal += 1

    assert "invoice: the subtotal" in str(next(iter(verify(invoice))))
