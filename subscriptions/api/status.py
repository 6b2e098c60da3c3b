"""GET /api/subscription/status/{user_id}: may the account call at all?"""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions import queries
from subscriptions.api.terms import terms_of
from subscriptions.models import Tier
from usage import decisions
from usage.api.caller import account_read
from usage.api.known_limits import LimitBarsSerializer, bars, limits_of
from usage.models import Account


class StatusSerializer(LimitBarsSerializer):
    """Whether the account may call, before any limit is asked. `limits` are those in force."""

    active = serializers.BooleanField(
        help_text="Whether there is a subscription that is trialing, active or past due."
    )
    plan = serializers.CharField(help_text="Its name; No plan: the account never had a subscription.")
    tier = serializers.ChoiceField(choices=Tier.choices)
    can_use_api = serializers.BooleanField(
        help_text="Whether neither staff nor the subscription's state stop every call. What is used of a "
        "limit is not asked: an account without a subscription may call as far as its limits go."
    )
    reason = serializers.CharField(
        help_text="What an authorization is refused with while can_use_api is false; empty while it is true."
    )


class StatusView(APIView):
    """Whether the account may call at all, and why not."""

    @extend_schema(operation_id="subscription_status", tags=["Subscriptions"], responses=StatusSerializer)
    def get(self, request: Request, user_id: str) -> Response:
        account = account_read(request, user_id)
        return Response(StatusSerializer(status_fields(account, at=timezone.now())).data)


def status_fields(account: Account, *, at: datetime) -> dict[str, Any]:
    """The fields of `StatusSerializer`."""
    subscription = queries.subscription_of(account)
    terms = terms_of(subscription)
    refused = decisions.without_limits(account)
    return {
        "active": subscription is not None and subscription.is_usable,
        "plan": terms.plan_name,
        "tier": terms.tier,
        "can_use_api": refused is None,
        "reason": "" if refused is None else refused.message,
        **bars(limits_of(account, at=at)),
    }
