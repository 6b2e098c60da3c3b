"""GET /api/subscription/plans: what everybody may choose. Public."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions import entitlements, queries
from subscriptions.models import PlanVersion, Tier
from usage.api.amounts import NumberField
from usage.api.known_limits import (
    LIMIT_NAMES,
    LimitAmounts,
    LimitBarsSerializer,
    bars,
    strictest,
    under_known_names,
)
from usage.models import Window


class PlanSerializer(LimitBarsSerializer):
    """A plan as it is sold now."""

    id = serializers.IntegerField(help_text="What plan_id takes.")
    name = serializers.CharField()
    tier = serializers.ChoiceField(choices=Tier.choices)
    price_monthly = NumberField(help_text="USD a month.")
    price_yearly = NumberField(help_text="USD a year.")
    description = serializers.CharField()
    features = serializers.ListField(child=serializers.CharField())


class PlansSerializer(serializers.Serializer[Any]):
    plans = PlanSerializer(many=True, help_text="In the order they are to be shown.")
    total = serializers.IntegerField()


class PlansView(APIView):
    """The plans everybody may choose, as they are sold now; no login needed."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="plans", tags=["Subscriptions"], responses=PlansSerializer)
    def get(self, request: Request) -> Response:
        plans = [plan_fields(version) for version in queries.versions_for_sale(at=timezone.now())]
        return Response(PlansSerializer({"plans": plans, "total": len(plans)}).data)


def plan_fields(version: PlanVersion) -> dict[str, Any]:
    """The fields of `PlanSerializer`."""
    return {
        "id": version.plan_id,
        "name": version.plan.name,
        "tier": version.plan.tier,
        "price_monthly": version.price_monthly,
        "price_yearly": version.price_yearly,
        "description": version.description,
        "features": version.features,
        **bars(_amounts(version)),
    }


def _amounts(version: PlanVersion) -> LimitAmounts:
    """The limits sold, by name. The names these front ends know speak of a billing period, so that a rate
    under one of them is not shown as if it were the period's.
    """
    sold = entitlements.limit_terms(version)
    shown = [each for each in sold if each.window == Window.PERIOD or each.name not in LIMIT_NAMES]
    return under_known_names(strictest(shown))
