"""The lines of an invoice before it is one: fees from the subscription's history, usage from the log, and
what waited for the next invoice. Reads only, so that a preview and a proof are made of the same lines.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import Q, QuerySet

from subscriptions.billing_terms import PeriodTerms
from subscriptions.core.invoices import Line, LineKind, usage_lines
from subscriptions.core.terms import Term
from subscriptions.models import ChangeKind, CycleChoices, InvoiceItem, SubscriptionChange
from usage.core.money import format_amount
from usage.core.period_usage import UsageGroup
from usage.models import Account, BillingPeriod
from usage.providers import name_of

# What is invoiced as soon as it happened; a renewal is when the period before it is closed.
AT_ONCE = [
    ChangeKind.STARTED,
    ChangeKind.REACTIVATED,
    ChangeKind.UPGRADED,
    ChangeKind.DOWNGRADED,
    ChangeKind.RESUMED,
]
PRORATED = Q(details__has_key="proration")
# What a line tells of a change; a close reads changes by the thousand, and what they keep besides is wide.
TOLD = (
    "kind", "at", "billing_cycle", "term_start", "term_end", "amount_due", "details",
    "version_after__plan__name", "version_before__plan__name",
)  # fmt: skip


def unbilled_changes(
    account: Account, *, until: datetime, ending_after: datetime
) -> QuerySet[SubscriptionChange]:
    """The account's changes up to and at `until` that cost something, are on no invoice yet, and whose term
    reaches beyond `ending_after`; oldest first.
    """
    costing = SubscriptionChange.objects.filter(~Q(amount_due=0) | PRORATED, account=account, at__lte=until)
    unbilled = costing.filter(
        invoice_lines__isnull=True, is_billed_elsewhere=False, term_end__gt=ending_after
    )
    with_plans = unbilled.select_related("version_after__plan", "version_before__plan")
    return with_plans.only(*TOLD).order_by("id")


def waiting_items(account: Account) -> QuerySet[InvoiceItem]:
    """What waits for the account's next invoice."""
    return InvoiceItem.objects.filter(account=account, line__isnull=True).order_by("id")


def of_changes(changes: Sequence[SubscriptionChange]) -> list[Line]:
    """The fees of `changes`: whole ones, and within a term what is given back and what is added."""
    return [line for change in changes for line in _of_change(change) if line.precise]


def of_period(groups: Sequence[UsageGroup], terms: PeriodTerms, *, period: BillingPeriod) -> list[Line]:
    """What the usage of `period` comes to under `terms`."""
    return usage_lines(
        groups,
        terms.usage,
        term=Term(period.period_start, period.period_end),
        plan=terms.version.plan.name,
        version_id=terms.version.pk,
        name_of=name_of,
    )


def of_items(items: Sequence[InvoiceItem]) -> list[Line]:
    """What waited."""
    return [
        Line(
            kind=LineKind.ADJUSTMENT,
            description=item.description,
            precise=item.amount,
            term=Term(item.created_at, item.created_at),
            item_id=item.pk,
        )
        for item in items
    ]


def _of_change(change: SubscriptionChange) -> Iterator[Line]:
    proration = change.details.get("proration")
    cycle = CycleChoices(change.billing_cycle).label.lower()
    plan = change.version_after.plan.name
    if proration is None:
        rest = ", rest of the term" if change.at > change.term_start else ""
        yield _fee(
            change,
            LineKind.BASE_FEE,
            f"{plan}, {cycle}{rest}",
            change.amount_due,
            Term(max(change.at, change.term_start), change.term_end),
        )
        return
    before = change.version_before or change.version_after
    given_back, added = proration["credit"], proration["charge"]
    yield _fee(
        change,
        LineKind.PRORATION_CREDIT,
        f"Unused time on {before.plan.name}",
        -Decimal(given_back["amount"]),
        _span(given_back),
    )
    yield _fee(
        change,
        LineKind.PRORATION_CHARGE,
        f"Remaining time on {plan}, {cycle}",
        Decimal(added["amount"]),
        _span(added),
    )


def _fee(change: SubscriptionChange, kind: LineKind, description: str, amount: Decimal, term: Term) -> Line:
    return Line(
        kind=kind,
        description=description,
        precise=amount,
        term=term,
        version_id=change.version_after_id,
        change_id=change.pk,
        details={"change": change.kind, "at": change.at.isoformat(), "amount": format_amount(amount)},
    )


def _span(part: dict[str, str]) -> Term:
    return Term(datetime.fromisoformat(part["from"]), datetime.fromisoformat(part["until"]))
