"""What would be cheaper for an account, as it was computed last, in words and numbers; and not hearing of it.

One query: what was replayed, and when, is `subscriptions.recommending`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypedDict

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from subscriptions import recommendation_texts as texts
from subscriptions.actors import Actor
from subscriptions.core.recommendations import Confidence
from subscriptions.core.states import State
from subscriptions.models import (
    RecommendationDismissal,
    RecommendationKind,
    UsageRecommendation,
    UserSubscription,
)
from usage.core.errors import InvalidRequest
from usage.models import Account

DISMISSED_FOR = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArithmeticLine:
    """One line of the arithmetic: so much at such a price costs so much, now and then, in USD, unrounded.
    Quantities and prices are None where an amount is no product; `period` is of a billing period.
    """

    name: str
    quantity_now: Decimal | None
    price_now: Decimal | None
    cost_now: Decimal
    quantity_then: Decimal | None
    price_then: Decimal | None
    cost_then: Decimal
    period: tuple[date, date] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Something cheaper: `cost_now` and `cost_then` in USD over [start, end), `saving` in USD over 30 days,
    of a plan over an average billing period; 0 where the plan is one to stay on.

    `lines` add up to the costs. `calls` were replayed, `excluded` says how many were not and why. `assumes`
    and `caveat` are sentences.
    """

    kind: RecommendationKind
    subject: str
    title: str
    message: str
    saving: Decimal
    confidence: Confidence
    start: datetime
    end: datetime
    calls: int
    days: int
    cost_now: Decimal
    cost_then: Decimal
    lines: Sequence[ArithmeticLine]
    excluded: Sequence[str]
    assumes: Sequence[str]
    caveat: str
    computed_at: datetime

    @property
    def saves(self) -> bool:
        """Whether there is something to change."""
        return self.saving > 0

    @property
    def percent(self) -> Decimal:
        """What is saved, of what the same calls cost now."""
        return 100 * (self.cost_now - self.cost_then) / self.cost_now


class Told(TypedDict):
    """A recommendation as `billing/costs/analytics` lists it; the saving in USD a month, unrounded."""

    type: str
    message: str
    potential_savings: Decimal
    confidence: str


def recommendations_of(account: Account, *, at: datetime) -> list[Recommendation]:
    """What was computed last and is not dismissed at `at`, what saves most first; one query.

    What a plan is compared with must be the account's plan still.
    """
    dismissed = RecommendationDismissal.objects.filter(
        account=OuterRef("account"), kind=OuterRef("kind"), subject=OuterRef("subject"), until__gt=at
    )
    held = UserSubscription.objects.filter(
        account=OuterRef("account"), plan_version__plan__key=OuterRef("subject")
    ).exclude(state__in=[State.CANCELED, State.EXPIRED])
    rows = UsageRecommendation.objects.filter(~Exists(dismissed), account=account)
    current = rows.filter(~Q(kind=RecommendationKind.PLAN) | Exists(held))
    return [_recommendation(row) for row in current.order_by("-saving", "kind", "subject")]


def told_by_api(recommendations: Sequence[Recommendation]) -> list[Told]:
    """Those that save something, as the API tells them."""
    return [
        Told(
            type=each.kind.value,
            message=each.message,
            potential_savings=each.saving,
            confidence=each.confidence.value,
        )
        for each in recommendations
        if each.saves
    ]


def dismiss(account: Account, *, kind: str, subject: str, at: datetime, by: Actor) -> RecommendationDismissal:
    """Let the account not hear of a recommendation for 90 days, whatever is computed meanwhile; kept.

    Dismissing it twice is one dismissal. Raises InvalidRequest where the account has no such recommendation.
    """
    with transaction.atomic():
        row = account.recommendations.select_for_update().filter(kind=kind, subject=subject).first()
        standing = account.recommendation_dismissals.filter(kind=kind, subject=subject, until__gt=at).first()
        if standing is not None:
            return standing
        if row is None:
            raise InvalidRequest("There is no such recommendation any more.")
        return RecommendationDismissal.objects.create(
            account=account, kind=kind, subject=subject, at=at, until=at + DISMISSED_FOR,
            actor=by.name, actor_user=by.user,
        )  # fmt: skip


def _recommendation(row: UsageRecommendation) -> Recommendation:
    facts: Mapping[str, Any] = row.arithmetic["facts"]
    kind = RecommendationKind(row.kind)
    said = texts.texts_of(kind, row.subject, row.alternative, facts)
    return Recommendation(
        kind=kind,
        subject=row.subject,
        title=said.title,
        message=texts.message_of(said, row),
        saving=row.saving,
        confidence=Confidence(row.confidence),
        start=row.window_start,
        end=row.window_end,
        calls=row.calls,
        days=row.days,
        cost_now=row.cost_now,
        cost_then=row.cost_then,
        lines=[_line(line) for line in row.arithmetic["lines"]],
        excluded=[texts.left_out(why, calls) for why, calls in row.arithmetic["excluded"].items()],
        assumes=said.assumes,
        caveat=said.caveat,
        computed_at=row.computed_at,
    )


def _line(line: Mapping[str, str]) -> ArithmeticLine:
    amounts = {
        name: Decimal(line[name]) if name in line else None
        for name in ("quantity_now", "price_now", "quantity_then", "price_then")
    }
    span = (date.fromisoformat(line["start"]), date.fromisoformat(line["end"])) if "start" in line else None
    return ArithmeticLine(
        name=line["name"],
        cost_now=Decimal(line["cost_now"]),
        cost_then=Decimal(line["cost_then"]),
        period=span,
        **amounts,
    )
