"""The invoice that an account's running period is heading for, as far as it is known now; changes nothing."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from subscriptions import billing_terms, credits, invoice_lines, plans, queries, term_ends
from subscriptions.core.invoices import Line, LineKind, round_lines
from subscriptions.core.states import State
from subscriptions.core.terms import BillingCycle, Term, term_from
from subscriptions.models import UserSubscription
from usage.core.money import ZERO
from usage.core.period_usage import UsageGroup
from usage.core.rating import Quantities
from usage.models import Account, BillingPeriod, UsageSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class UpcomingLine:
    """A line with its amount in cents."""

    line: Line
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """What the next invoice comes to if nothing more happens, in USD; `due_from` is when it is written.
    `balance` is all the credit there is, `credit` what it takes of that.
    """

    lines: list[UpcomingLine]
    period: Term
    due_from: datetime
    total: Decimal
    credit: Decimal
    balance: Decimal

    @property
    def amount_due(self) -> Decimal:
        return max(self.total - self.credit, ZERO)


def upcoming(
    account: Account, *, at: datetime, subscription: UserSubscription | None = None
) -> Upcoming | None:
    """The preview for the billing period open at `at`; None where there is no period or no subscription.

    Usage is read from the totals, so by provider: it is as fresh as the last call and costs the same however
    much was used. The invoice will have it by model and price. `subscription` is the account's, where it was
    read already.
    """
    period = BillingPeriod.objects.filter(account=account, period_start__lte=at, period_end__gt=at).first()
    terms = None if period is None else billing_terms.terms_at(account, period_end=period.period_end)
    if period is None or terms is None:
        return None
    changes = invoice_lines.unbilled_changes(
        account, until=period.period_end, ending_after=period.period_start
    )
    lines = [
        *invoice_lines.of_changes(list(changes)),
        *_next_fee(subscription or queries.subscription_of(account), period),
        *invoice_lines.of_period(_so_far(period), terms, period=period),
        *invoice_lines.of_items(list(invoice_lines.waiting_items(account))),
    ]
    rounded = round_lines([line.precise for line in lines])
    total = sum(rounded, ZERO)
    balance = credits.balance_of(account, at=at)
    return Upcoming(
        lines=[UpcomingLine(line=line, amount=amount) for line, amount in zip(lines, rounded, strict=True)],
        period=Term(period.period_start, period.period_end),
        due_from=period.period_end,
        total=total,
        credit=min(balance, max(total, ZERO)),
        balance=balance,
    )


def _next_fee(subscription: UserSubscription | None, period: BillingPeriod) -> list[Line]:
    """The fee of the term that begins where the period ends, unless the subscription then ends or rests."""
    if subscription is None or subscription.term_end != period.period_end:
        return []
    if subscription.cancel_at_term_end or subscription.state in (State.CANCELED, State.EXPIRED):
        return []
    if subscription.state == State.PAUSED and not subscription.paused_automatically:
        return []
    if subscription.state == State.TRIALING and not subscription.plan_version.trial_converts:
        return []
    version = plans.version_at(subscription.pending_plan or subscription.plan, at=period.period_end)
    cycle = BillingCycle(subscription.pending_cycle or subscription.billing_cycle)
    fee = term_ends.fee_of(version, cycle)
    term = term_from(period.period_end, anchor=subscription.anchor, cycle=cycle)
    return [
        Line(
            kind=LineKind.BASE_FEE,
            description=f"{version.plan.name}, {cycle.value}",
            precise=fee,
            term=term,
            version_id=version.pk,
        )
    ][: bool(fee)]


def _so_far(period: BillingPeriod) -> list[UsageGroup]:
    summaries = UsageSummary.objects.filter(account=period.account_id, billing_period=period, calls__gt=0)
    return [
        UsageGroup(
            provider=summary.provider,
            model="",
            price_id=None,
            late=False,
            first_at=period.period_start,
            last_at=summary.updated_at,
            calls=summary.calls,
            quantities={name: getattr(summary, name) for name in Quantities._fields},
            surcharge=ZERO,
            cost=summary.cost,
            evidence="",
        )
        for summary in summaries.order_by("provider")
    ]
