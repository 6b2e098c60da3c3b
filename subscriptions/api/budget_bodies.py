"""Bodies that change a budget: read strictly, every number exactly as it is written."""

from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any, cast

from drf_spectacular.utils import extend_schema_field
from msgspec import UNSET, UnsetType
from rest_framework import serializers
from rest_framework.parsers import BaseParser

from subscriptions.api.budget_terms import ThrottlingSerializer
from subscriptions.budget_settings import Changes, wrong
from subscriptions.models.budgets import MAX_PAUSE_REASON
from usage.api.bodies import Body, body_of

MAX_BODY_BYTES = 16 * 1024
BODY = "body"
# No list of percentages is longer, and none is beyond.
MAX_THRESHOLDS = 100
POINTERS = {
    "monthly_budget": "/budget_management/monthly_budget",
    "alert_thresholds": "/budget_management/alert_thresholds",
    "auto_pause": "/budget_management/auto_pause",
    "per_request": "/budget_management/spend_limits/per_request",
    "per_hour": "/budget_management/spend_limits/per_hour",
    "per_day": "/budget_management/spend_limits/per_day",
    "throttle_from": "/budget_management/throttling/from_percent",
    "throttle_to": "/budget_management/throttling/to_percent",
    "enabled": "/overage_protection/enabled",
    "max_monthly_cost": "/overage_protection/max_monthly_cost",
    "pause_at_maximum": "/overage_protection/auto_pause_at_limit",
    "alert_threshold": "/overage_protection/alert_threshold",
    "reason": "/reason",
}
Given = Decimal | UnsetType | None


class SpendLimits(Body, frozen=True):
    """What is left out stays as it is, here and below."""

    per_request: Given = UNSET
    per_hour: Given = UNSET
    per_day: Given = UNSET


class Throttling(Body, frozen=True):
    from_percent: Decimal
    to_percent: Decimal


class BudgetManagement(Body, frozen=True):
    monthly_budget: Given = UNSET
    alert_thresholds: list[Decimal] | UnsetType | None = UNSET
    auto_pause: bool | UnsetType = UNSET
    spend_limits: SpendLimits | UnsetType = UNSET
    throttling: Throttling | UnsetType | None = UNSET


class OverageProtection(Body, frozen=True):
    enabled: bool | UnsetType = UNSET
    max_monthly_cost: Given = UNSET
    auto_pause_at_limit: bool | UnsetType = UNSET
    alert_threshold: Given = UNSET


class BudgetUpdate(Body, frozen=True):
    budget_management: BudgetManagement = BudgetManagement()
    overage_protection: OverageProtection = OverageProtection()


class BudgetPause(Body, frozen=True):
    reason: str


class BodyParser(BaseParser):
    """Hands a JSON body on as it was sent, under `BODY`: `usage.api.bodies.decode` reads it."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Mapping[str, bytes]:
        request = (parser_context or {})["request"]
        return {BODY: body_of(request._request, limit=MAX_BODY_BYTES)}


@extend_schema_field(
    {
        "oneOf": [{"type": "string", "format": "decimal"}, {"type": "number"}],
        "nullable": True,
        "description": "USD above 0, read exactly in either form; null: none.",
        "example": "25.50",
    }
)
class GivenAmountField(serializers.Field[Any, Any, Any, Any]):
    """An amount as it may be sent."""


class SpendLimitsUpdateSerializer(serializers.Serializer[Any]):
    per_request = GivenAmountField(required=False)
    per_hour = GivenAmountField(required=False)
    per_day = GivenAmountField(required=False)


class BudgetManagementUpdateSerializer(serializers.Serializer[Any]):
    """What is left out stays as it is."""

    monthly_budget = GivenAmountField(required=False)
    alert_thresholds = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=100),
        required=False,
        allow_null=True,
        help_text="Ascending percentages; null: those of the plan.",
    )
    auto_pause = serializers.BooleanField(
        required=False,
        help_text="true: calls beyond monthly_budget are refused, and all of them once it is used up. false: "
        "people are only told.",
    )
    spend_limits = SpendLimitsUpdateSerializer(required=False)
    throttling = ThrottlingSerializer(required=False, allow_null=True)


class OverageProtectionUpdateSerializer(serializers.Serializer[Any]):
    """What is left out stays as it is."""

    enabled = serializers.BooleanField(
        required=False, help_text="false takes max_monthly_cost away; what the plan refuses stays."
    )
    max_monthly_cost = GivenAmountField(required=False)
    auto_pause_at_limit = serializers.BooleanField(required=False)
    alert_threshold = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=100,
        help_text="The first of alert_thresholds.",
    )


class BudgetUpdateSerializer(serializers.Serializer[Any]):
    budget_management = BudgetManagementUpdateSerializer(required=False)
    overage_protection = OverageProtectionUpdateSerializer(required=False)


class BudgetPauseSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=MAX_PAUSE_REASON, help_text="Whoever is refused reads it.")


def changes_of(asked: BudgetUpdate) -> Changes:
    """The settings that the body gives. Raises InvalidRequest for a percentage that is not whole."""
    management, protection = asked.budget_management, asked.overage_protection
    spend = SpendLimits() if management.spend_limits is UNSET else management.spend_limits
    given: dict[str, Any] = {
        "monthly_budget": management.monthly_budget,
        "auto_pause": management.auto_pause,
        "per_request": spend.per_request,
        "per_hour": spend.per_hour,
        "per_day": spend.per_day,
        "enabled": protection.enabled,
        "max_monthly_cost": protection.max_monthly_cost,
        "pause_at_maximum": protection.auto_pause_at_limit,
        "alert_threshold": protection.alert_threshold,
        "alert_thresholds": management.alert_thresholds,
    }
    if management.throttling is not UNSET:
        pace = management.throttling
        given["throttle_from"] = None if pace is None else pace.from_percent
        given["throttle_to"] = None if pace is None else pace.to_percent
    for name in ("alert_threshold", "throttle_from", "throttle_to"):
        if isinstance(given.get(name), Decimal):
            given[name] = _whole(name, given[name])
    if isinstance(given["alert_thresholds"], list):
        thresholds = given["alert_thresholds"]
        if len(thresholds) > MAX_THRESHOLDS:
            raise wrong("alert_thresholds", f"Give at most {MAX_THRESHOLDS} percentages.")
        given["alert_thresholds"] = [_whole("alert_thresholds", each) for each in thresholds]
    return cast(Changes, {name: value for name, value in given.items() if value is not UNSET})


def _whole(field: str, percent: Decimal) -> int:
    """The percentage as a whole number, which may be written 80 or 80.0."""
    # Bounded before it is made an integer: of 1e1000000 that would be a million digits.
    if not percent.is_finite() or not 0 <= percent <= MAX_THRESHOLDS or percent != int(percent):
        raise wrong(field, "Give whole percentages between 1 and 100.")
    return int(percent)
