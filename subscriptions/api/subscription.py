"""An account's subscription as it stands: GET /api/subscription/user/{user_id}/subscription for existing
front ends, GET /api/billing/subscription for everything new.
"""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions import credits, invoice_queries, previews, queries
from subscriptions.api.terms import terms_of
from subscriptions.models import BillingProfile, CycleChoices, StateChoices, Tier, UserSubscription
from usage.api.amounts import CURRENCY, AmountField, NumberField, SignedAmountField
from usage.api.caller import account_read
from usage.api.known_limits import LimitBarsSerializer, bars, limits_of, period_limits
from usage.api.parameters import AccountQuery, read_query
from usage.core.money import ZERO
from usage.models import Account

NO_SUBSCRIPTION = "none"
STATUSES = [*StateChoices.choices, (NO_SUBSCRIPTION, "No subscription")]


class TermSerializer(serializers.Serializer[Any]):
    """What one fee pays for: a month, a year, or the trial. `end` is not part of it."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class PendingChangeSerializer(serializers.Serializer[Any]):
    """A change that was chosen and waits for the end of the period."""

    plan_id = serializers.IntegerField()
    plan = serializers.CharField(help_text="Its name.")
    cycle = serializers.ChoiceField(choices=CycleChoices.choices)
    takes_effect_at = serializers.DateTimeField()


class StandingSerializer(serializers.Serializer[Any]):
    """What both forms of a subscription tell alike."""

    plan = serializers.CharField(help_text="Its name; No plan: the account never had a subscription.")
    plan_id = serializers.IntegerField(allow_null=True)
    tier = serializers.ChoiceField(choices=Tier.choices, help_text="free without a plan.")
    status = serializers.ChoiceField(
        choices=STATUSES,
        help_text="Calls are allowed while trialing, active and past_due. none: there is no subscription, so "
        "no plan limits calls.",
    )
    cycle = serializers.ChoiceField(
        choices=CycleChoices.choices, allow_null=True, help_text="null without a subscription."
    )
    period = TermSerializer(
        allow_null=True, help_text="The term that is running, or ran last; null without a subscription."
    )
    features = serializers.ListField(child=serializers.CharField())
    trial_ends_at = serializers.DateTimeField(
        allow_null=True, help_text="When the trial ends or ended; null where there was none."
    )
    cancel_at_period_end = serializers.BooleanField(help_text="Whether it ends with the period.")
    pending_change = PendingChangeSerializer(allow_null=True)
    paused = serializers.BooleanField()
    resumes_at = serializers.DateTimeField(
        allow_null=True, help_text="When the pause ends by itself; null: only when somebody resumes it."
    )
    renewal_count = serializers.IntegerField(help_text="Terms that followed one another.")
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True, help_text="null while it has not ended.")


class SubscriptionSerializer(StandingSerializer, LimitBarsSerializer):
    """A subscription as existing front ends read it. `limits` are those in force, whatever set them."""

    price = NumberField(help_text="USD for the whole period; 0 during a trial.")


class CardSerializer(serializers.Serializer[Any]):
    """The card that pays, as far as it may be seen."""

    brand = serializers.CharField()
    last4 = serializers.CharField()
    exp_month = serializers.IntegerField(allow_null=True)
    exp_year = serializers.IntegerField(allow_null=True)


class NextInvoiceSerializer(serializers.Serializer[Any]):
    """What the next invoice comes to if nothing more happens; GET billing/invoices/upcoming has its lines."""

    due_from = serializers.DateTimeField(help_text="When it is written.")
    total = SignedAmountField()
    credit_applied = AmountField()
    amount_due = AmountField()


class BillingSubscriptionSerializer(StandingSerializer):
    """A subscription, money as decimal strings, and how it is paid."""

    account = serializers.CharField(help_text="Its user_id.")
    currency = serializers.ChoiceField(choices=[CURRENCY])
    price = AmountField(help_text="For the whole period; 0 during a trial.")
    limits = serializers.DictField(
        child=AmountField(allow_null=True),
        help_text="Those of a billing period in force, by name, whatever set them, the strictest of those "
        "that share one. null: unlimited; 0: nothing at all.",
    )
    card = CardSerializer(allow_null=True, help_text="null: there is none.")
    credit_balance = AmountField(help_text="What the next invoice can take before anything is charged.")
    next_invoice = NextInvoiceSerializer(allow_null=True, help_text="null where none is to come.")


class SubscriptionView(APIView):
    """The account's subscription; without one the plan is "No plan"."""

    @extend_schema(operation_id="user_subscription", tags=["Subscriptions"], responses=SubscriptionSerializer)
    def get(self, request: Request, user_id: str) -> Response:
        account = account_read(request, user_id)
        return Response(subscription_shown(account, at=timezone.now()))


class BillingSubscriptionView(APIView):
    """The account's subscription; without one the plan is "No plan"."""

    @extend_schema(
        operation_id="billing_subscription",
        tags=["Subscriptions"],
        parameters=[AccountQuery],
        responses=BillingSubscriptionSerializer,
    )
    def get(self, request: Request) -> Response:
        query = read_query(AccountQuery, request)
        account = account_read(request, query.get("user_id"))
        at = timezone.now()
        told = {
            "account": account.external_id,
            "currency": CURRENCY,
            "limits": period_limits(account, at=at),
            "card": _card(invoice_queries.profile_of(account)),
            "credit_balance": credits.balance_of(account, at=at),
            "next_invoice": _next_invoice(account, at=at),
            **standing(queries.subscription_of(account)),
        }
        return Response(BillingSubscriptionSerializer(told).data)


def subscription_shown(account: Account, *, at: datetime) -> dict[str, Any]:
    """The account's subscription and limits at `at`, as `SubscriptionSerializer` shows them."""
    told = {**standing(queries.subscription_of(account)), **bars(limits_of(account, at=at))}
    return dict(SubscriptionSerializer(told).data)


def standing(subscription: UserSubscription | None) -> dict[str, Any]:
    """The fields of `StandingSerializer`, and the price."""
    terms = terms_of(subscription)
    known = {"plan": terms.plan_name, "tier": terms.tier, "features": terms.features}
    return {**known, **(_nothing() if subscription is None else _running(subscription))}


def _card(profile: BillingProfile | None) -> dict[str, Any] | None:
    if profile is None or not profile.has_card:
        return None
    return {
        "brand": profile.card_brand,
        "last4": profile.card_last4,
        "exp_month": profile.card_exp_month,
        "exp_year": profile.card_exp_year,
    }


def _next_invoice(account: Account, *, at: datetime) -> dict[str, Any] | None:
    upcoming = previews.upcoming(account, at=at)
    if upcoming is None:
        return None
    return {
        "due_from": upcoming.due_from,
        "total": upcoming.total,
        "credit_applied": upcoming.credit,
        "amount_due": upcoming.amount_due,
    }


def _running(subscription: UserSubscription) -> dict[str, Any]:
    return {
        "plan_id": subscription.plan.pk,
        "status": subscription.state,
        "cycle": subscription.billing_cycle,
        "period": {"start": subscription.term_start, "end": subscription.term_end},
        "price": subscription.term_fee,
        "trial_ends_at": subscription.trial_ends_at,
        "cancel_at_period_end": subscription.cancel_at_term_end,
        "pending_change": _pending(subscription),
        "paused": subscription.state == StateChoices.PAUSED,
        "resumes_at": subscription.resumes_at,
        "renewal_count": subscription.renewal_count,
        "started_at": subscription.started_at,
        "ended_at": subscription.ended_at,
    }


def _pending(subscription: UserSubscription) -> dict[str, Any] | None:
    if subscription.pending_plan is None:
        return None
    return {
        "plan_id": subscription.pending_plan.pk,
        "plan": subscription.pending_plan.name,
        "cycle": subscription.pending_cycle,
        "takes_effect_at": subscription.term_end,
    }


def _nothing() -> dict[str, Any]:
    return {
        "plan_id": None,
        "status": NO_SUBSCRIPTION,
        "cycle": None,
        "period": None,
        "price": ZERO,
        "trial_ends_at": None,
        "cancel_at_period_end": False,
        "pending_change": None,
        "paused": False,
        "resumes_at": None,
        "renewal_count": 0,
        "started_at": None,
        "ended_at": None,
    }
