"""GET /api/subscription/pricing: the prices in force."""

from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from usage import queries
from usage.access import require
from usage.api.amounts import NumberField
from usage.api.caller import caller
from usage.api.parameters import InstantField, ProviderField, read_query
from usage.core.money import ZERO
from usage.models import APIProviderPricing, Scope


class PricingQuery(serializers.Serializer[Any]):
    provider = ProviderField(required=False, help_text="Only this provider, under any of its names.")
    at = InstantField(
        required=False, help_text="The prices in force at this instant (ISO 8601, or a date); default: now."
    )


class UnitPriceField(NumberField):
    """USD per single unit; 0 where the provider does not price that unit."""

    def get_attribute(self, instance: Any) -> Decimal:
        price: Decimal | None = super().get_attribute(instance)
        return price or ZERO


class PriceSerializer(serializers.Serializer[APIProviderPricing]):
    """One model's unit prices in USD; long-context and batch rates are not shown here."""

    provider = serializers.CharField()
    model_name = serializers.CharField(
        help_text="* prices every model of the provider without a row of its own."
    )
    cost_per_input_token = UnitPriceField()
    cost_per_output_token = UnitPriceField()
    cost_per_request = UnitPriceField()
    cost_per_search = UnitPriceField()
    cost_per_image = UnitPriceField()
    cost_per_page = UnitPriceField()
    description = serializers.CharField()
    effective_date = serializers.DateTimeField(source="effective_from")


class PricingSerializer(serializers.Serializer[Any]):
    pricing = PriceSerializer(many=True)
    total = serializers.IntegerField()


class PricingView(APIView):
    """The unit prices in force now, or at another instant."""

    @extend_schema(
        operation_id="pricing", tags=["Prices"], parameters=[PricingQuery], responses=PricingSerializer
    )
    def get(self, request: Request) -> Response:
        require(caller(request), Scope.READ)
        query = read_query(PricingQuery, request)
        prices = queries.prices_in_force(at=query.get("at", timezone.now()), provider=query.get("provider"))
        return Response(PricingSerializer({"pricing": prices, "total": len(prices)}).data)
