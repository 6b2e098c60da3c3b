"""GET /api/billing/costs/analytics: what cost how much, when it is spent, and what could be had for less."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alwrity_billing.api.costs import a_call, this_month
from subscriptions.api.budget_terms import monthly_budget, percent_of
from subscriptions.budget_protection import budget_of
from subscriptions.models import ConfidenceChoices, RecommendationKind
from subscriptions.recommendations import recommendations_of, told_by_api
from usage import analytics, limits, patterns, queries
from usage.analytics import Breakdown, Dimension, Selection
from usage.api.amounts import CURRENCY, AmountField
from usage.api.breakdowns import by_name
from usage.api.caller import account_read
from usage.api.parameters import read_query
from usage.api.spans import USUAL_SLICES, Span, SpanQuery, SpanSerializer, span_of
from usage.core.patterns import Direction
from usage.inefficiencies import inefficiencies
from usage.models import Account
from usage.queries import Interval, Slice, Totals

INTERVALS: Mapping[str, Interval] = {interval: interval for interval in USUAL_SLICES}
DIMENSIONS = {dimension.value: dimension for dimension in Dimension}
SHOWN_ANYWAY = {Dimension.ENDPOINT, Dimension.MODEL}
GROUPINGS = [*INTERVALS, *DIMENSIONS]


class AnalyticsQuery(SpanQuery):
    group_by = serializers.ChoiceField(
        choices=GROUPINGS,
        default="day",
        help_text="hour, day or month: the steps of by_time; anything else: one breakdown more, by that.",
        error_messages={"invalid_choice": "Choose one of " + ", ".join(GROUPINGS) + "."},
    )


class EndpointCostSerializer(serializers.Serializer[Any]):
    cost = AmountField()
    requests = serializers.IntegerField()
    avg_cost = AmountField(help_text="A request, to 18 decimals.")


class NamedCostSerializer(serializers.Serializer[Any]):
    cost = AmountField()
    requests = serializers.IntegerField()
    tokens = serializers.IntegerField()


class TimedCostSerializer(serializers.Serializer[Any]):
    date = serializers.RegexField(
        r"^\d{4}-\d{2}-\d{2}(T\d{2}:00:00Z)?$",
        help_text="The UTC day, the first one of a month, or the beginning of an hour.",
    )
    cost = AmountField()
    requests = serializers.IntegerField()


class CostBreakdownSerializer(serializers.Serializer[Any]):
    """The dearest first; `unknown` is what told no name, `others` all names beyond 1000 together.

    Where `group_by` asks for another dimension there is one object more, such as `by_team`.
    """

    by_endpoint = serializers.DictField(child=EndpointCostSerializer())
    by_model = serializers.DictField(
        child=NamedCostSerializer(), help_text="provider/model; the provider alone without a model."
    )
    by_time = TimedCostSerializer(many=True, help_text="Oldest first, none left out.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        more = {
            f"by_{name}": serializers.DictField(child=NamedCostSerializer(), required=False)
            for name in DIMENSIONS.keys() - SHOWN_ANYWAY
        }
        return {**super().get_fields(), **dict(sorted(more.items()))}


class RecommendationSerializer(serializers.Serializer[Any]):
    """Something cheaper, as replaying the account's own calls of the last four weeks showed."""

    type = serializers.ChoiceField(choices=RecommendationKind.choices)
    message = serializers.CharField(help_text="One sentence with the numbers.")
    potential_savings = AmountField(help_text="USD over 30 days, of a plan over a billing period; unrounded.")
    confidence = serializers.ChoiceField(
        choices=ConfidenceChoices.choices, help_text="By how much was replayed, and how steady it was."
    )


class UsagePatternsSerializer(serializers.Serializer[Any]):
    peak_hours = serializers.ListField(
        child=serializers.CharField(),
        help_text="Hours of the day (UTC) with at least one and a half times the calls of the average hour, "
        "the busiest first; of the last eight weeks.",
    )
    most_used_models = serializers.ListField(
        child=serializers.CharField(), help_text="The five with the most calls."
    )
    cost_trends = serializers.ChoiceField(
        choices=[direction.value for direction in Direction],
        help_text="The last weeks against as many before, from 10 percent on; unknown within two weeks.",
    )
    inefficiencies = serializers.ListField(
        child=serializers.CharField(), help_text="What is spent without need, with its numbers."
    )


class CostAnalyticsSerializer(SpanSerializer):
    currency = serializers.ChoiceField(choices=[CURRENCY])
    total_cost = AmountField(help_text="Unrounded.")
    total_requests = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    monthly_budget = AmountField(allow_null=True, help_text="The strictest limit of a billing period's cost.")
    budget_utilization = serializers.FloatField(
        allow_null=True, help_text="Percent that the open billing period used of it; null without a budget."
    )
    cost_by_endpoint = serializers.DictField(child=AmountField())
    cost_by_model = serializers.DictField(child=AmountField())
    cost_breakdown = CostBreakdownSerializer()
    recommendations = RecommendationSerializer(
        many=True, help_text="As computed last, whatever is asked for; what saves most first."
    )
    usage_patterns = UsagePatternsSerializer()


class CostAnalyticsView(APIView):
    """Costs by endpoint, model and time, by the time the calls happened, and what they show.

    `from` and `to` are widened to whole UTC days (hours or months if grouped by these), and the answer says
    to which. At most 1000 of them.
    """

    @extend_schema(
        operation_id="billing_cost_analytics",
        tags=["Costs"],
        parameters=[AnalyticsQuery],
        responses=CostAnalyticsSerializer,
    )
    def get(self, request: Request) -> Response:
        at = timezone.now()
        query = read_query(AnalyticsQuery, request)
        account = account_read(request, query.get("user_id"))
        grouping = query["group_by"]
        span = span_of(
            interval=INTERVALS.get(grouping, "day"), start=query.get("from"), end=query.get("to", at)
        )
        told = cost_analytics(account, span=span, more=DIMENSIONS.get(grouping), at=at)
        return Response(CostAnalyticsSerializer(told).data)


def cost_analytics(
    account: Account, *, span: Span, at: datetime, more: Dimension | None = None
) -> dict[str, Any]:
    """The fields of `CostAnalyticsSerializer`, with one breakdown `more`."""
    selection = Selection(account=account, start=span.start, end=span.end)
    slices = analytics.over_time(selection, interval=span.interval)
    total = queries.sum_of(piece.totals for piece in slices)
    endpoints = by_name(analytics.grouped(selection, by=Dimension.ENDPOINT))
    models = analytics.grouped(selection, by=Dimension.MODEL)
    return {
        "currency": CURRENCY,
        "start": span.start,
        "end": span.end,
        "total_cost": total.cost,
        "total_requests": total.calls,
        "total_tokens": total.tokens,
        **_budget(account, at=at),
        "cost_by_endpoint": _costs(endpoints),
        "cost_by_model": _costs(by_name(models)),
        "cost_breakdown": {
            "by_endpoint": {
                name: {"cost": each.cost, "requests": each.calls, "avg_cost": a_call(each)}
                for name, each in endpoints.items()
            },
            "by_model": _named(models),
            "by_time": _timed(slices, interval=span.interval),
            **_one_more(selection, more),
        },
        "recommendations": told_by_api(recommendations_of(account, at=at)),
        "usage_patterns": _patterns(selection, models, at=at),
    }


def _budget(account: Account, *, at: datetime) -> dict[str, Decimal | None]:
    budget = monthly_budget(limits.states(account, at=at), budget=budget_of(account))
    amount = None if budget is None else budget.amount
    spent = this_month(account, at=at).cost
    return {"monthly_budget": amount, "budget_utilization": percent_of(spent, amount)}


def _costs(totals: Mapping[str, Totals]) -> dict[str, Decimal]:
    return {name: each.cost for name, each in totals.items()}


def _named(found: Breakdown) -> dict[str, dict[str, Any]]:
    return {
        name: {"cost": each.cost, "requests": each.calls, "tokens": each.tokens}
        for name, each in by_name(found).items()
    }


def _one_more(selection: Selection, dimension: Dimension | None) -> dict[str, Any]:
    """The breakdown by a dimension that is not told anyway."""
    if dimension is None or dimension in SHOWN_ANYWAY:
        return {}
    return {f"by_{dimension}": _named(analytics.grouped(selection, by=dimension))}


def _timed(slices: Sequence[Slice], *, interval: Interval) -> list[dict[str, Any]]:
    form = "%Y-%m-%dT%H:00:00Z" if interval == "hour" else "%Y-%m-%d"
    return [
        {
            "date": piece.start.strftime(form),
            "cost": piece.totals.cost,
            "requests": piece.totals.calls,
        }
        for piece in slices
    ]


def _patterns(selection: Selection, models: Breakdown, *, at: datetime) -> dict[str, Any]:
    return {
        "peak_hours": [str(peak) for peak in patterns.peak_hours(selection)],
        "most_used_models": [group.key for group in patterns.most_used_models(models)],
        "cost_trends": patterns.cost_trend(selection, at=at).direction.value,
        "inefficiencies": [each.statement for each in inefficiencies(models, at=at)],
    }
