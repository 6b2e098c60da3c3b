"""POST /api/subscription/subscribe/{user_id}: put the account on a plan."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions import changes, models, queries, tasks
from subscriptions.actors import of_principal
from subscriptions.api.subscription import SubscriptionSerializer, subscription_shown
from subscriptions.core.terms import BillingCycle
from subscriptions.models import SubscriptionPlan
from usage.access import Principal, account_for, speaks_for_us
from usage.api.caller import caller
from usage.core.errors import Conflict, InvalidRequest
from usage.models import Account, Scope

# With it staff put any account on a plan, hidden ones included.
PERMISSION = "subscriptions.change_usersubscription"
LARGEST_ID = 2**63 - 1


class SubscribeSerializer(serializers.Serializer[Any]):
    plan_id = serializers.IntegerField(
        min_value=1, max_value=LARGEST_ID, help_text="The id of one of the plans."
    )
    billing_cycle = serializers.ChoiceField(choices=models.CycleChoices.choices)


class SubscribeView(APIView):
    """Put the account on a plan: a first subscription, a change, or one that had ended.

    What gives more takes effect at once, what gives less at the period's end. Choosing what the account has
    already changes nothing, but withdraws what is scheduled. For owners, billing admins, and keys with the
    scope admin; staff need the permission to change subscriptions.
    """

    @extend_schema(
        operation_id="subscribe",
        tags=["Subscriptions"],
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="Accepted, and not needed: repeating a request changes nothing.",
            )
        ],
        request=SubscribeSerializer,
        responses=SubscriptionSerializer,
    )
    def post(self, request: Request, user_id: str) -> Response:
        at = timezone.now()
        principal = caller(request)
        account = account_for(principal, external_id=user_id, scope=Scope.ADMIN, staff_permission=PERMISSION)
        asked = SubscribeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        by_staff = speaks_for_us(principal, permission=PERMISSION)
        _subscribe(
            account,
            principal,
            plan=plan_asked_for(asked.validated_data["plan_id"], account=account, by_staff=by_staff, at=at),
            cycle=BillingCycle(asked.validated_data["billing_cycle"]),
            by_staff=by_staff,
            at=at,
        )
        tasks.soon(tasks.invoice_subscription_changes)
        return Response(subscription_shown(account, at=at))


def plan_asked_for(plan_id: int, *, account: Account, by_staff: bool, at: datetime) -> SubscriptionPlan:
    """The plan of that id. To customers one that they cannot know of is the same as none."""
    known = queries.plan_by_id(plan_id) if by_staff else None
    plan = known or queries.plan_known_to(account, plan_id=plan_id, at=at)
    if plan is None:
        message = "There is no such plan: choose one of GET /api/subscription/plans."
        fault = {"pointer": "/plan_id", "code": "plan_unknown", "message": message}
        raise InvalidRequest(f"/plan_id: {message}", code="plan_unknown", details={"errors": [fault]})
    return plan


def _subscribe(account: Account, principal: Principal, **wanted: Any) -> None:
    by = of_principal(principal)
    try:
        changes.subscribe(account, by=by, **wanted)
    except Conflict:
        # The same request may have come twice at once; asked again, it finds done what it wants, and a
        # conflict that has another reason remains one.
        changes.subscribe(account, by=by, **wanted)
