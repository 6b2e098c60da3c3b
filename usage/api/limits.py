"""GET /api/usage/limits: every limit of the account as it stands, amounts as decimal strings."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from usage import limits, rate_limits
from usage.api.amounts import CURRENCY, AmountField
from usage.api.caller import account_read
from usage.api.parameters import AccountQuery, read_query
from usage.limits import LimitState
from usage.models import Account, LimitMode, LimitSource, Measure, Window


class LimitSerializer(serializers.Serializer[LimitState]):
    """Calls are refused once `remaining` is less than they may need, where the mode is block."""

    name = serializers.CharField()
    measure = serializers.ChoiceField(choices=Measure.values)
    scope = serializers.SerializerMethodField(
        help_text="Which calls count: everything, or such as provider:openai."
    )
    window = serializers.ChoiceField(choices=Window.values)
    mode = serializers.ChoiceField(choices=LimitMode.values)
    # Taken out of the class, as every declared field is.
    source = serializers.ChoiceField(choices=LimitSource.values)  # type: ignore[assignment]
    limit = AmountField(source="amount", allow_null=True, help_text="null: unlimited; 0: nothing at all.")
    used = AmountField(help_text="Within the window, a sliding one's share of the one before included.")
    held = AmountField(help_text="Reserved by open authorizations.")
    remaining = AmountField(allow_null=True, help_text="null: unlimited.")
    resets_at = serializers.DateTimeField(allow_null=True, help_text="null: nothing of it ends by itself.")

    def get_scope(self, state: LimitState) -> str:
        return f"{state.scope}:{state.scope_value}" if state.scope_value else state.scope


class AccountLimitsSerializer(serializers.Serializer[Any]):
    account = serializers.CharField(help_text="Its user_id.")
    as_of = serializers.DateTimeField()
    currency = serializers.ChoiceField(choices=[CURRENCY])
    paused_reason = serializers.CharField(
        allow_null=True, help_text="Why every call is refused just now; null while calls are allowed."
    )
    limits = LimitSerializer(many=True, help_text="All sources' are enforced, so the strictest wins.")


class LimitsView(APIView):
    """Every limit as it stands, whatever set it. The RateLimit fields tell those in whole units."""

    @extend_schema(
        operation_id="usage_limits",
        tags=["Limits"],
        parameters=[AccountQuery],
        responses=AccountLimitsSerializer,
    )
    def get(self, request: Request) -> Response:
        at = timezone.now()
        query = read_query(AccountQuery, request)
        account = account_read(request, query.get("user_id"))
        states = limits.states(account, at=at)
        body = AccountLimitsSerializer(account_limits(account, states, at=at)).data
        return Response(body, headers=rate_limits.of_states(states, at=at))


def account_limits(account: Account, states: list[LimitState], *, at: datetime) -> dict[str, Any]:
    """The fields of `AccountLimitsSerializer`."""
    return {
        "account": account.external_id,
        "as_of": at,
        "currency": CURRENCY,
        "paused_reason": account.paused_reason or account.suspended_reason or None,
        "limits": states,
    }
