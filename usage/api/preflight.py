"""POST /api/subscription/preflight-check: might these operations go ahead, one after the other?"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from usage import authorization
from usage.api.amounts import NumberField
from usage.api.caller import account_read
from usage.core.errors import PricingException
from usage.core.money import ZERO
from usage.events import MAX_COUNT, NO_UNITS, Units
from usage.models import Account
from usage.operations import MAX_OPERATIONS, Decision, LimitStanding, Operation
from usage.providers import find

# The kind of provider that counts tokens.
ONE_IMAGE = Units(images=1)
LANGUAGE_MODELS = "llm"


class PlannedSerializer(serializers.Serializer[Any]):
    """One intended call."""

    provider = serializers.CharField(max_length=64, help_text="Under any of its names.")
    operation_type = serializers.CharField(max_length=64, help_text="Counted as the call's request type.")
    model = serializers.CharField(max_length=160, required=False, allow_blank=True, allow_null=True)
    tokens_requested = serializers.IntegerField(
        min_value=0,
        max_value=MAX_COUNT,
        required=False,
        allow_null=True,
        help_text="All tokens of the call. Priced as output, the dearer class, so that the cost is the most "
        "it can be. Left out: all that the model can take and give.",
    )
    actual_provider_name = serializers.CharField(
        max_length=64,
        required=False,
        allow_blank=True,
        allow_null=True,
        help_text="The provider that is really called, where `provider` is a stand-in for it.",
    )


class PreflightRequestSerializer(serializers.Serializer[Any]):
    user_id = serializers.CharField(
        required=False, help_text="Another account's id; for staff and service keys, which reach all of them."
    )
    operations = serializers.ListField(
        child=PlannedSerializer(), min_length=1, max_length=MAX_OPERATIONS, help_text="In their order."
    )


class LimitInfoSerializer(serializers.Serializer[Any]):
    """The limit that refuses, or the one of calls that is nearest; an unlimited one has limit 0."""

    current_usage = NumberField(help_text="Used and held.")
    limit = NumberField()
    remaining = NumberField()


class CheckedSerializer(serializers.Serializer[Any]):
    provider = serializers.CharField(help_text="As it was sent.")
    operation_type = serializers.CharField()
    cost = NumberField(help_text="USD, at most; 0 where it cannot be told.")
    allowed = serializers.BooleanField()
    limit_info = LimitInfoSerializer(allow_null=True)
    message = serializers.CharField(allow_null=True, help_text="Why it is not allowed.")


class UsageSummarySerializer(serializers.Serializer[Any]):
    """The strictest limit of all calls in the billing period; an unlimited one has limit 0."""

    current_calls = NumberField(help_text="Used and held.")
    limit = NumberField()
    remaining = NumberField()


class PreflightSerializer(serializers.Serializer[Any]):
    can_proceed = serializers.BooleanField(help_text="Whether every operation is allowed.")
    estimated_cost = NumberField(help_text="USD, all operations together, at most.")
    operations = CheckedSerializer(
        many=True, help_text="In their order; after the first refused none is allowed."
    )
    total_cost = NumberField(help_text="The same as estimated_cost.")
    usage_summary = UsageSummarySerializer(allow_null=True)
    cached = serializers.BooleanField(help_text="Always false: every answer is as of now.")


class PreflightView(APIView):
    """Whether some operations might go ahead, checked together and in order as one workflow.

    Nothing is held or changed: another call may take what is left. Only an authorization is a promise.
    """

    @extend_schema(
        operation_id="preflight_check",
        tags=["Limits"],
        request=PreflightRequestSerializer,
        responses=PreflightSerializer,
    )
    def post(self, request: Request) -> Response:
        asked = PreflightRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        account = account_read(request, asked.validated_data.get("user_id"))
        checked = check(asked.validated_data["operations"], account=account, at=timezone.now())
        return Response(PreflightSerializer(checked).data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of the first so many operations: a decision, or (None) a `message` why there is none."""

    decision: Decision | None
    message: str

    @property
    def refuses(self) -> bool:
        return self.decision is None or not self.decision.allowed


def check(planned: Sequence[Mapping[str, Any]], *, account: Account, at: datetime) -> dict[str, Any]:
    """The fields of `PreflightSerializer` for operations as `PlannedSerializer` reads them."""
    operations = [operation_of(each) for each in planned]

    def verdict_on(count: int) -> Verdict:
        return _verdict(operations[:count], account=account, at=at)

    everything = verdict_on(len(operations))
    if not everything.refuses:
        return _shown(
            planned, operations, allowed=len(operations), told=everything, known=everything.decision
        )
    # More operations never need less: those that fit come first, and their number is found by halving.
    allowed = bisect_left(range(1, len(operations)), True, key=lambda count: verdict_on(count).refuses)
    refusing = verdict_on(allowed + 1)
    known = everything.decision or refusing.decision
    if known is None and allowed:
        known = verdict_on(allowed).decision
    return _shown(planned, operations, allowed=allowed, told=refusing, known=known)


def operation_of(planned: Mapping[str, Any]) -> Operation:
    """The call to ask about. Its tokens are counted as output: never less than what the call may cost. These
    clients name no units: a call that makes images is taken to make one.
    """
    provider = find(planned.get("actual_provider_name") or "") or find(planned["provider"])
    tokens = planned.get("tokens_requested")
    counted = provider is not None and provider.kind == LANGUAGE_MODELS and tokens is not None
    return Operation(
        provider=planned["provider"] if provider is None else provider.key,
        model=planned.get("model") or "",
        input_tokens=0 if counted else None,
        max_output_tokens=tokens if counted else None,
        units=ONE_IMAGE if provider is not None and provider.kind == "image" else NO_UNITS,
        request_type=planned["operation_type"],
    )


def _verdict(operations: Sequence[Operation], *, account: Account, at: datetime) -> Verdict:
    try:
        decision = authorization.preflight(operations, customer=account.external_id, at=at)
    except PricingException as unknown:
        if unknown.error_code == "quantities_missing":
            # Its own sentence names a field that this request does not have.
            return Verdict(
                decision=None, message="How many tokens it may need is not known: give tokens_requested."
            )
        return Verdict(decision=None, message=unknown.message)
    return Verdict(decision=decision, message=decision.message)


def _shown(
    planned: Sequence[Mapping[str, Any]],
    operations: Sequence[Operation],
    *,
    allowed: int,
    told: Verdict,
    known: Decision | None,
) -> dict[str, Any]:
    """The first `allowed` operations may go ahead; `told` is about the one after them, where there is one.
    `known` is the decision about most of them: their costs and limits.
    """
    amounts = [Decimal(each.estimated_cost) for each in known.operations] if known else []
    amounts += [ZERO] * (len(operations) - len(amounts))
    standings = known.limits if known else []
    refusing = [standing for standing in told.decision.limits if standing.refused] if told.decision else []
    checked = []
    for position, operation in enumerate(operations):
        is_refused = position == allowed
        nearest = refusing if is_refused and refusing else _calls_limits(standings, operation)
        checked.append(
            {
                "provider": planned[position]["provider"],
                "operation_type": operation.request_type,
                "cost": amounts[position],
                "allowed": position < allowed,
                "limit_info": _limit_info(nearest, "current_usage"),
                "message": _message(position, allowed=allowed, refusal=told.message),
            }
        )
    everywhere = [standing for standing in standings if standing.scope == "everything"]
    return {
        "can_proceed": allowed == len(operations),
        "estimated_cost": sum(amounts, ZERO),
        "operations": checked,
        "total_cost": sum(amounts, ZERO),
        "usage_summary": _limit_info(_of_calls(everywhere), "current_calls"),
        "cached": False,
    }


def _message(position: int, *, allowed: int, refusal: str) -> str | None:
    if position < allowed:
        return None
    return refusal if position == allowed else f"Not reached: operation {allowed + 1} before it is refused."


def _calls_limits(standings: Sequence[LimitStanding], operation: Operation) -> list[LimitStanding]:
    """The limits of calls in the billing period that count this operation for what it calls."""
    provider = find(operation.provider)
    scopes = {"everything", f"provider:{operation.provider}", f"kind:{provider.kind if provider else ''}"}
    return _of_calls(standing for standing in standings if standing.scope in scopes)


def _of_calls(standings: Iterable[LimitStanding]) -> list[LimitStanding]:
    return [each for each in standings if each.measure == "calls" and each.window == "period"]


def _limit_info(standings: Sequence[LimitStanding], usage: str) -> dict[str, Decimal] | None:
    """The one with least left, an unlimited one last of all; None without any."""
    if not standings:
        return None
    strictest = min(standings, key=_room)
    return {
        usage: Decimal(strictest.used) + Decimal(strictest.held),
        "limit": Decimal(strictest.limit or 0),
        "remaining": Decimal(strictest.remaining or 0),
    }


def _room(standing: LimitStanding) -> tuple[bool, Decimal]:
    return standing.remaining is None, Decimal(standing.remaining or 0)
