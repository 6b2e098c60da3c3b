"""What about an account needs its people now: invoices that could not be paid, a budget that refuses calls, a
trial or a card that runs out, and whether a payment is just on its way. Reads only.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db.models import Exists, Sum

from subscriptions import dunning, term_ends
from subscriptions.core.invoices import InvoiceState
from subscriptions.core.states import State
from subscriptions.invoice_lines import AT_ONCE
from subscriptions.models import (
    BillingHistory,
    BillingProfile,
    Budget,
    BudgetChange,
    InvoiceCollection,
    SubscriptionChange,
    UserSubscription,
)
from usage.core.money import ZERO
from usage.models import Account, Member

TRIAL_ENDS_WITHIN = timedelta(days=7)
CARD_EXPIRES_WITHIN = timedelta(days=30)
# A payment that took longer is not shown as being on its way any more.
ON_ITS_WAY_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaid:
    """Invoices that could not be paid: USD of all, the oldest, why, and when the next attempt is.

    `paused` says whether the subscription rests for it.
    """

    amount: Decimal
    invoice: BillingHistory
    failure: str
    next_attempt_at: datetime | None
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEnds:
    """A trial that is over soon; then `fee` is charged, if it converts, and calls are refused if not."""

    at: datetime
    plan: str
    converts: bool
    fee: Decimal
    has_card: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CardExpires:
    """The card on file is good until `at`, which may have passed."""

    at: datetime
    brand: str
    last4: str
    has_expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPauses:
    """The budget refuses all calls, and why. By itself it does `until` then; otherwise until somebody resumes
    it, and `by` is who paused it, for the account's people.
    """

    reason: str
    until: datetime | None
    by: str


Concern = Unpaid | BudgetPauses | TrialEnds | CardExpires


def concerns_of(
    account: Account,
    subscription: UserSubscription | None,
    profile: BillingProfile | None,
    budget: Budget | None,
    *,
    at: datetime,
) -> list[Concern]:
    """What needs the account's people at `at`, the most urgent first."""
    found = (
        _unpaid(account, subscription),
        _budget(budget),
        _trial(subscription, profile, at=at),
        _card(profile, at=at),
    )
    return [concern for concern in found if concern is not None]


def payment_on_its_way(account: Account, *, at: datetime) -> bool:
    """Whether an invoice of the account is being written or paid just now.

    So it is from a change that costs something, or a card that came for an unpaid invoice, until the invoice
    is paid or refused, and for ON_ITS_WAY_FOR at most.
    """
    since = at - ON_ITS_WAY_FOR
    changes = SubscriptionChange.objects.filter(account=account, kind__in=AT_ONCE, recorded_at__gt=since)
    unbilled = changes.filter(invoice_lines__isnull=True).order_by().values("account")
    due = unbilled.annotate(due=Sum("amount_due")).filter(due__gt=0)
    invoices = BillingHistory.objects.filter(account=account, created_at__gt=since)
    drafts = invoices.filter(state=InvoiceState.DRAFT)
    tried = InvoiceCollection.objects.filter(invoice__account=account, invoice__state=InvoiceState.OPEN)
    tried = tried.filter(next_payment_at__gt=since, next_payment_at__lte=at)
    # One question instead of three.
    return Account.objects.filter(Exists(due) | Exists(drafts) | Exists(tried), pk=account.pk).exists()


def expiry_of(profile: BillingProfile | None) -> datetime | None:
    """The first instant that the card on file is no longer good for."""
    if profile is None or not profile.has_card or not profile.card_exp_year or not profile.card_exp_month:
        return None
    last = calendar.monthrange(profile.card_exp_year, profile.card_exp_month)[1]
    return datetime(profile.card_exp_year, profile.card_exp_month, last, tzinfo=UTC) + timedelta(days=1)


def card_name(brand: str, last4: str) -> str:
    """ "Visa ending in 4242"."""
    return f"{brand.replace('_', ' ').title() or 'Card'} ending in {last4}"


def _unpaid(account: Account, subscription: UserSubscription | None) -> Unpaid | None:
    open_ones = BillingHistory.objects.filter(account=account, state=InvoiceState.OPEN)
    failed = list(
        open_ones.filter(collection__failed_attempts__gt=0).select_related("collection").order_by("id")
    )
    if not failed:
        return None
    is_paused = subscription is not None and subscription.state == State.PAUSED
    return Unpaid(
        amount=sum((invoice.amount_remaining for invoice in failed), ZERO),
        invoice=failed[0],
        failure=failed[0].collection.last_failure,
        next_attempt_at=failed[0].collection.next_payment_at,
        paused=subscription is not None and is_paused and dunning.paused_unpaid(subscription),
    )


def _budget(budget: Budget | None) -> BudgetPauses | None:
    if budget is None or budget.paused_at is None:
        return None
    by = _who_paused(budget, at=budget.paused_at) if budget.is_paused_by_hand else ""
    return BudgetPauses(reason=budget.paused_reason, until=budget.paused_until, by=by)


def _who_paused(budget: Budget, *, at: datetime) -> str:
    """Who paused it by hand. Our staff are not named."""
    pauses = BudgetChange.objects.filter(account=budget.account_id, at=at, after__paused=budget.paused_reason)
    pause = pauses.select_related("actor_user").order_by("id").first()
    if pause is None:
        return "somebody"
    person = pause.actor_user
    is_member = Member.objects.filter(account=budget.account_id, user=person).exists()
    return "our staff" if person is not None and person.is_staff and not is_member else pause.actor


def _trial(
    subscription: UserSubscription | None, profile: BillingProfile | None, *, at: datetime
) -> TrialEnds | None:
    if subscription is None or subscription.state != State.TRIALING or subscription.cancel_at_term_end:
        return None
    if subscription.term_end - at > TRIAL_ENDS_WITHIN:
        return None
    version = subscription.plan_version
    return TrialEnds(
        at=subscription.term_end,
        plan=version.plan.name,
        converts=version.trial_converts,
        fee=term_ends.fee_of(version, subscription.cycle),
        has_card=profile is not None and profile.has_card,
    )


def _card(profile: BillingProfile | None, *, at: datetime) -> CardExpires | None:
    expiry = expiry_of(profile)
    if profile is None or expiry is None or expiry - at > CARD_EXPIRES_WITHIN:
        return None
    return CardExpires(
        at=expiry, brand=profile.card_brand, last4=profile.card_last4, has_expired=expiry <= at
    )
