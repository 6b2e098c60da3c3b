"""GET /api/billing/forecast: what the next calendar month is expected to cost, and what the days show."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from usage.api.amounts import CURRENCY, AmountField
from usage.api.caller import account_read
from usage.api.parameters import AccountQuery, read_query
from usage.core.anomalies import Direction
from usage.core.money import to_cents
from usage.core.outlook import Outlook, WeekPattern
from usage.outlook import outlook_of

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
COVERED_PERCENT = 80
PERCENT_DIGITS = 1
FACTOR_DIGITS = 2


class IntervalSerializer(serializers.Serializer[Any]):
    """Meant to hold `percent` of months; null without a prediction."""

    low = AmountField(allow_null=True)
    high = AmountField(allow_null=True)
    percent = serializers.IntegerField(help_text=f"Always {COVERED_PERCENT}.")


class SeasonalPatternSerializer(serializers.Serializer[Any]):
    weekday = serializers.ChoiceField(choices=WEEKDAYS)
    factor = serializers.FloatField(help_text="Of what an average day costs: 1.25 is a quarter more.")


class AnomalySerializer(serializers.Serializer[Any]):
    date = serializers.DateField(source="day", help_text="UTC.")
    cost = AmountField(source="spent", help_text="Unrounded.")
    expected = AmountField(help_text="In cents.")
    direction = serializers.ChoiceField(choices=[(each.value, each.value) for each in Direction])
    reason = serializers.CharField(help_text="A sentence for people.")


class TrendSerializer(serializers.Serializer[Any]):
    growth_rate = serializers.FloatField(
        allow_null=True,
        help_text="Percent by which cost grows in 30 days, as of the last 13 weeks; null where weeks do not "
        "follow each other, or less than four do.",
    )
    seasonal_patterns = SeasonalPatternSerializer(
        many=True, help_text="From Monday to Sunday; empty without a prediction."
    )
    weekday_strength = serializers.FloatField(
        allow_null=True,
        help_text="How much of the difference between a week's days the weekday explains: 0 nothing, 1 all.",
    )
    anomalies = AnomalySerializer(
        many=True, help_text="Days of the last 90 that cost far more or far less, the oldest first."
    )


class CostForecastingSerializer(serializers.Serializer[Any]):
    currency = serializers.ChoiceField(choices=[CURRENCY])
    month = serializers.RegexField(r"^\d{4}-\d{2}$", help_text="The calendar month after this one, in UTC.")
    next_month_prediction = AmountField(allow_null=True, help_text="In cents; null while `missing` says why.")
    confidence_interval = IntervalSerializer()
    run_rate = AmountField(
        allow_null=True, help_text="What the month costs if its days cost what the last 28 did on average."
    )
    trend_analysis = TrendSerializer()
    days_of_history = serializers.IntegerField(help_text="Whole UTC days that this rests on, at most 364.")
    missing = serializers.CharField(
        allow_null=True, help_text="What a prediction lacks, and from which day on it will be there."
    )


class ForecastSerializer(serializers.Serializer[Any]):
    cost_forecasting = CostForecastingSerializer()


KNOWN: dict[str, Any] = {
    "currency": "USD",
    "month": "2026-12",
    "next_month_prediction": "412.37",
    "confidence_interval": {"low": "341.90", "high": "489.12", "percent": 80},
    "run_rate": "388.20",
    "trend_analysis": {
        "growth_rate": 6.4,
        "seasonal_patterns": [
            {"weekday": weekday, "factor": factor}
            for weekday, factor in zip(WEEKDAYS, (1.22, 1.2, 1.21, 1.19, 1.13, 0.55, 0.5), strict=True)
        ],
        "weekday_strength": 0.83,
        "anomalies": [
            {
                "date": "2026-11-10",
                "cost": "57.2031",
                "expected": "12.71",
                "direction": "up",
                "reason": "4.5 times the $12.71 that was to be expected.",
            }
        ],
    },
    "days_of_history": 212,
    "missing": None,
}
MISSING: dict[str, Any] = {
    "currency": "USD",
    "month": "2026-12",
    "next_month_prediction": None,
    "confidence_interval": {"low": None, "high": None, "percent": 80},
    "run_rate": None,
    "trend_analysis": {
        "growth_rate": None,
        "seasonal_patterns": [],
        "weekday_strength": None,
        "anomalies": [],
    },
    "days_of_history": 5,
    "missing": "A forecast needs 14 whole days of usage; 5 are known. It will be here from 2026-11-30 on.",
}


class ForecastView(APIView):
    """What the next calendar month is expected to cost, with a range, the trend and the days that stand out.

    It rests on whole days. With less than 14 of them nothing is predicted, and `missing` says what is needed.
    """

    @extend_schema(
        operation_id="billing_forecast",
        tags=["Usage"],
        parameters=[AccountQuery],
        responses=ForecastSerializer,
        examples=[
            OpenApiExample("A forecast", value={"cost_forecasting": KNOWN}, response_only=True),
            OpenApiExample("Too little history", value={"cost_forecasting": MISSING}, response_only=True),
        ],
    )
    def get(self, request: Request) -> Response:
        query = read_query(AccountQuery, request)
        account = account_read(request, query.get("user_id"))
        found = cost_forecasting(outlook_of(account, at=timezone.now()))
        return Response(ForecastSerializer({"cost_forecasting": found}).data)


def cost_forecasting(found: Outlook) -> dict[str, Any]:
    """The fields of `CostForecastingSerializer`."""
    cents = {
        name: None if amount is None else to_cents(amount)
        for name, amount in (
            ("expected", found.expected),
            ("low", found.low),
            ("high", found.high),
            ("run_rate", found.run_rate),
        )
    }
    return {
        "currency": CURRENCY,
        "month": f"{found.month:%Y-%m}",
        "next_month_prediction": cents["expected"],
        "confidence_interval": {"low": cents["low"], "high": cents["high"], "percent": COVERED_PERCENT},
        "run_rate": cents["run_rate"],
        "trend_analysis": {
            "growth_rate": None if found.growth is None else round(100 * found.growth, PERCENT_DIGITS),
            "seasonal_patterns": _patterns(found.week),
            "weekday_strength": None if found.week is None else round(found.week.strength, FACTOR_DIGITS),
            "anomalies": [
                {
                    "day": odd.day,
                    "spent": odd.spent,
                    "expected": to_cents(odd.expected),
                    "direction": odd.direction,
                    "reason": odd.reason,
                }
                for odd in found.anomalies
            ],
        },
        "days_of_history": found.days_of_history,
        "missing": found.missing,
    }


def _patterns(week: WeekPattern | None) -> list[dict[str, Any]]:
    if week is None:
        return []
    return [
        {"weekday": weekday, "factor": round(factor, FACTOR_DIGITS)}
        for weekday, factor in zip(WEEKDAYS, week.factors, strict=True)
    ]
