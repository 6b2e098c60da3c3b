"""Invoices checked against arithmetic of the tests' own: from the raw log, the history and the plans."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from subscriptions.models import (
    BillingHistory,
    CreditEntry,
    CreditGrant,
    InvoiceItem,
    InvoiceLine,
    LimitOverride,
    PlanVersion,
    SubscriptionChange,
)
from usage.models import Account, APIUsageLog, BillingPeriod

METERED = ["usage", "late_usage"]
OF_USAGE = [*METERED, "included", "above_maximum", "markup"]
FEES = ["base_fee", "proration_credit", "proration_charge"]


@dataclass(frozen=True)
class Billed:
    """What an account's invoices say, in USD and unrounded."""

    fees: Decimal
    usage: Decimal
    other: Decimal


def billed(account: Account) -> Billed:
    """The sum of the account's lines, by what they are."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for kind, amount in InvoiceLine.objects.filter(invoice__account=account).values_list(
        "kind", "precise_amount"
    ):
        sums["fees" if kind in FEES else "usage" if kind in OF_USAGE else "other"] += amount
    return Billed(sums["fees"], sums["usage"], sums["other"])


def fees_due(account: Account, *, until: datetime) -> Decimal:
    """What the account's subscription cost by its history, for all that an invoice should have by `until`."""
    changes = SubscriptionChange.objects.filter(account=account, at__lte=until)
    return sum(changes.values_list("amount_due", flat=True), Decimal(0))


def overage_due(account: Account) -> Decimal:
    """What usage beyond the plan cost in the account's closed periods, added up from the log row by row."""
    used: dict[int, Decimal] = defaultdict(Decimal)
    log = APIUsageLog.objects.filter(account=account)
    for period_id, cost in log.values_list("billing_period_id", "cost"):
        used[period_id] += cost
    closed = BillingPeriod.objects.filter(account=account, closed_at__isnull=False)
    return sum((_overage(account, period, used[period.pk]) for period in closed), Decimal(0))


def _overage(account: Account, period: BillingPeriod, cost: Decimal) -> Decimal:
    version = _version_at(account, period.period_end)
    if version is None or version.overage_policy != "bill":
        return Decimal(0)
    included = _overridden(account, period.period_end, "bill", version.included_usage)
    most = _overridden(account, period.period_end, "block", version.max_monthly_cost)
    if included is None:
        return Decimal(0)
    charged = min(cost, cost if most is None else max(most, included)) - included
    if charged <= 0:
        return Decimal(0)
    markup = charged * version.overage_markup_percent / 100
    return charged + markup.quantize(Decimal("1e-18"), rounding=ROUND_HALF_EVEN)


def _version_at(account: Account, end: datetime) -> PlanVersion | None:
    changes = SubscriptionChange.objects.filter(account=account, at__lt=end).select_related("version_after")
    known = sorted(changes, key=lambda change: (change.at, change.pk))
    return known[-1].version_after if known else None


def _overridden(account: Account, end: datetime, mode: str, sold: Decimal | None) -> Decimal | None:
    for override in LimitOverride.objects.filter(account=account, measure="cost", window="period", mode=mode):
        if override.created_at < end and (override.ended_at is None or override.ended_at >= end):
            return override.amount
    return sold


def rows_not_billed_once(accounts: Iterable[Account]) -> list[str]:
    """The metered lines whose evidence is not that of the log's rows, and rows that no line has.

    The hash is computed here, with another implementation than the database's.
    """
    wrong = []
    for account in accounts:
        rows: dict[tuple[object, ...], list[tuple[int, Decimal]]] = defaultdict(list)
        starts = dict(BillingPeriod.objects.filter(account=account).values_list("pk", "period_start"))
        log = APIUsageLog.objects.filter(account=account, billing_period__closed_at__isnull=False)
        for row in log.order_by("id"):
            late = row.occurred_at < starts[row.billing_period_id]
            key = (row.billing_period_id, late, row.provider, row.model, row.price_id)
            rows[key].append((row.pk, row.cost))
        lines = InvoiceLine.objects.filter(invoice__account=account, kind__in=METERED)
        for line in lines.select_related("invoice"):
            period, late = line.invoice.billing_period_id, line.kind == "late_usage"
            key = (period, late, line.provider, line.model, line.price_id)
            found = rows.pop(key, [])
            if (line.event_count, line.evidence) != (len(found), evidence_of(found)):
                wrong.append(f"{account}: {line}")
        wrong += [f"{account}: nobody billed {key}: {len(left)} rows" for key, left in rows.items()]
    return wrong


def evidence_of(rows: Iterable[tuple[int, Decimal]]) -> str:
    """The hash chained over "id:cost" of rows in the order of their ids, the cost with all its decimals."""
    chained = b""
    for row_id, cost in sorted(rows):
        chained = hashlib.sha256(chained + f"{row_id}:{cost:f}".encode()).digest()
    return chained.hex()


def broken_invoices() -> list[str]:
    """Where what is said of money does not add up: lines, totals, credits, numbers."""
    wrong = []
    for invoice in BillingHistory.objects.prefetch_related("lines"):
        lines = list(invoice.lines.all())
        if sum((line.amount for line in lines), Decimal(0)) != invoice.subtotal:
            wrong.append(f"{invoice}: its lines are not its subtotal")
        if any(abs(line.amount - line.precise_amount) >= Decimal("0.01") for line in lines):
            wrong.append(f"{invoice}: a line is a cent or more from its precise amount")
        precise = sum((line.precise_amount for line in lines), Decimal(0))
        if precise.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN) != invoice.subtotal:
            wrong.append(f"{invoice}: {precise} is not {invoice.subtotal}")
    return wrong + _broken_credits() + _gaps_in_numbers()


def _broken_credits() -> list[str]:
    wrong = []
    for grant in CreditGrant.objects.all():
        entries = CreditEntry.objects.filter(grant=grant).values_list("amount", flat=True)
        if sum(entries, Decimal(0)) != grant.balance:
            wrong.append(f"{grant}: {grant.balance} is not the sum of its entries")
    return wrong


def _gaps_in_numbers() -> list[str]:
    series: dict[str, list[int]] = defaultdict(list)
    for number in BillingHistory.objects.filter(number__isnull=False).values_list("number", flat=True):
        year, _, place = str(number).partition("-")
        series[year].append(int(place))
    return [year for year, given in series.items() if sorted(given) != list(range(1, len(given) + 1))]


def waiting(account: Account) -> Decimal:
    """What waits for the account's next invoice."""
    items = InvoiceItem.objects.filter(account=account, line__isnull=True)
    return sum(items.values_list("amount", flat=True), Decimal(0))
