"""What choosing a plan comes to before it is chosen: from when on, and what is paid today. Reads only.

The same lines, rounding and credits as the invoice that follows (`invoicing.invoice_changes`), so that nobody
is charged another amount than was shown at that moment.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from django.conf import settings

from subscriptions import changes, credits, dunning, invoice_lines, term_ends
from subscriptions.core.invoices import Line, LineKind, round_lines
from subscriptions.core.states import Move, State, allows
from subscriptions.core.terms import BillingCycle, Term, Timing, term_from
from subscriptions.models import PlanVersion, UserSubscription
from usage.core.money import ZERO
from usage.models import Account

UNPAID = "Your last invoice is not paid yet. Once it is, you can change the plan."


class OfferKind(StrEnum):
    """How an account comes to the plan."""

    TRIAL = "trial"
    START = "start"
    AT_ONCE = "at_once"
    AT_TERM_END = "at_term_end"
    # It has the plan already: nothing changes, but what was scheduled is withdrawn.
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLine:
    """What is charged, or given back where it is below nothing; in cents."""

    description: str
    amount: Decimal
    term: Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The plan under a cycle, as it can be had at a moment.

    `term` is the one it leads to, `fee` what each such term costs. `lines` are today's invoice and add up to
    `total`, of which `credit` is taken from credits; both are empty where nothing is invoiced today, and then
    `later` is what the next invoice is changed by. `refusal` says why it cannot be had; empty: it can.
    """

    version: PlanVersion
    cycle: BillingCycle
    kind: OfferKind
    term: Term
    fee: Decimal
    lines: list[OfferLine]
    total: Decimal
    credit: Decimal
    later: Decimal
    refusal: str = ""

    @property
    def due(self) -> Decimal:
        """What a card pays today; what is too little to be charged waits for the next invoice."""
        due = self.total - self.credit
        return due if due >= settings.INVOICE_MINIMUM_CHARGE else ZERO


def offer_of(
    account: Account,
    subscription: UserSubscription | None,
    version: PlanVersion,
    cycle: BillingCycle,
    *,
    at: datetime,
) -> Offer:
    """What putting `account`, whose subscription is given, on `version` comes to at `at`."""
    kind = kind_of(subscription, version, cycle)
    term = _term(kind, subscription, version, cycle, at=at)
    added = _lines(kind, subscription, version, cycle, term=term, at=at)
    change = sum((line.precise for line in added), ZERO)
    lines = [*added, *_waiting(account, at=at)] if change > 0 else []
    rounded = round_lines([line.precise for line in lines])
    total = sum(rounded, ZERO)
    return Offer(
        version=version,
        cycle=cycle,
        kind=kind,
        term=term,
        fee=term_ends.fee_of(version, cycle),
        lines=[
            OfferLine(description=line.description, amount=amount, term=line.term)
            for line, amount in zip(lines, rounded, strict=True)
        ],
        total=total,
        credit=min(credits.balance_of(account, at=at), max(total, ZERO)) if lines else ZERO,
        later=ZERO if lines else round_lines([change])[0],
        refusal=_refusal(kind, subscription, at=at),
    )


def kind_of(subscription: UserSubscription | None, version: PlanVersion, cycle: BillingCycle) -> OfferKind:
    """How a subscription, or none, comes to `version` under `cycle`."""
    if subscription is None:
        return OfferKind.TRIAL if version.trial_days else OfferKind.START
    if subscription.has_ended:
        return OfferKind.START
    if subscription.plan == version.plan and subscription.cycle is cycle:
        return OfferKind.KEEP
    when = changes.timing_of(subscription, version, cycle)
    return OfferKind.AT_ONCE if when is Timing.NOW else OfferKind.AT_TERM_END


def _term(
    kind: OfferKind,
    subscription: UserSubscription | None,
    version: PlanVersion,
    cycle: BillingCycle,
    *,
    at: datetime,
) -> Term:
    if kind is OfferKind.TRIAL:
        return Term(at, at + timedelta(days=version.trial_days))
    if subscription is None or kind is OfferKind.START:
        return term_from(at, anchor=at, cycle=cycle)
    if kind is OfferKind.KEEP:
        return subscription.term
    if kind is OfferKind.AT_TERM_END:
        return term_from(subscription.term_end, anchor=subscription.anchor, cycle=cycle)
    return changes.quote(subscription, version, cycle, at=at)[0]


def _lines(
    kind: OfferKind,
    subscription: UserSubscription | None,
    version: PlanVersion,
    cycle: BillingCycle,
    *,
    term: Term,
    at: datetime,
) -> list[Line]:
    """What the change itself costs and gives back."""
    plan = f"{version.plan.name}, {cycle.value}"
    if kind is OfferKind.START:
        fee = term_ends.fee_of(version, cycle)
        lines = [Line(kind=LineKind.BASE_FEE, description=plan, precise=fee, term=term)]
    elif kind is OfferKind.AT_ONCE and subscription is not None:
        _, proration = changes.quote(subscription, version, cycle, at=at)
        lines = [
            Line(
                kind=LineKind.PRORATION_CREDIT,
                description=f"Unused time on {subscription.plan.name}",
                precise=-proration.credit,
                term=Term(at, subscription.term_end),
            ),
            Line(
                kind=LineKind.PRORATION_CHARGE,
                description=f"Remaining time on {plan}",
                precise=proration.charge,
                term=Term(at, term.end),
            ),
        ]
    else:
        lines = []
    return [line for line in lines if line.precise]


def _waiting(account: Account, *, at: datetime) -> list[Line]:
    """What else today's invoice takes up."""
    unbilled = invoice_lines.unbilled_changes(account, until=at, ending_after=at)
    at_once = unbilled.filter(kind__in=invoice_lines.AT_ONCE)
    items = invoice_lines.waiting_items(account)
    return [*invoice_lines.of_changes(list(at_once)), *invoice_lines.of_items(list(items))]


def _refusal(kind: OfferKind, subscription: UserSubscription | None, *, at: datetime) -> str:
    """What `changes.subscribe` would refuse it with, in words for the customer."""
    if subscription is None:
        return ""
    if subscription.has_ended:
        return UNPAID if dunning.in_arrears(subscription.account) else ""
    state = State(subscription.state)
    if subscription.term_end <= at:
        return "Your subscription is being renewed just now. Try again in a minute."
    if state is State.PAST_DUE:
        return UNPAID
    move = Move.CHANGE_PLAN if kind is OfferKind.AT_ONCE else Move.SCHEDULE
    resumes_first = kind is OfferKind.AT_ONCE and subscription.paused_automatically
    if not allows(move, before=state) and not resumes_first:
        return "Your subscription is paused. Once it goes on, you can change the plan."
    return ""
