"""POST /api/billing/budget/update, …/pause and …/resume: what a customer spends at most by its own choice."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions import budgets
from subscriptions.actors import Actor, of_principal
from subscriptions.api.budget_bodies import (
    BODY,
    POINTERS,
    BodyParser,
    BudgetPause,
    BudgetPauseSerializer,
    BudgetUpdate,
    BudgetUpdateSerializer,
    changes_of,
)
from subscriptions.api.budget_terms import BudgetTermsSerializer, budget_terms
from subscriptions.budget_protection import budget_of
from subscriptions.queries import subscription_of
from usage import limits
from usage.access import account_for
from usage.api.bodies import decode, pointing
from usage.api.caller import caller
from usage.api.parameters import AccountQuery, read_query
from usage.models import Account, Scope

PERMISSION = "subscriptions.change_budget"

_read_update = msgspec.json.Decoder(BudgetUpdate)
_read_pause = msgspec.json.Decoder(BudgetPause)
Struct = TypeVar("Struct", bound=msgspec.Struct)


class BudgetUpdateView(APIView):
    """Change the settings given: amounts below the plan's, when people are told, what happens then.

    What is left out stays, null takes a setting away. An amount above what the plan allows is refused
    (`budget_above_plan`). For owners, billing admins, and keys with the scope admin; staff need the
    permission to change budgets. The answer is as of GET /api/billing/limits.
    """

    parser_classes = (BodyParser,)

    @extend_schema(
        operation_id="billing_budget_update",
        tags=["Limits"],
        parameters=[AccountQuery],
        request=BudgetUpdateSerializer,
        responses=BudgetTermsSerializer,
    )
    def post(self, request: Request) -> Response:
        def act(account: Account, by: Actor, at: datetime) -> None:
            budgets.update(account, changes=changes_of(_body(request, _read_update)), at=at, by=by)

        return _done(request, act)


class BudgetPauseView(APIView):
    """Refuse all calls at once, until somebody resumes them; 409 `budget_paused` where somebody did."""

    parser_classes = (BodyParser,)

    @extend_schema(
        operation_id="billing_budget_pause",
        tags=["Limits"],
        parameters=[AccountQuery],
        request=BudgetPauseSerializer,
        responses=BudgetTermsSerializer,
    )
    def post(self, request: Request) -> Response:
        def act(account: Account, by: Actor, at: datetime) -> None:
            budgets.pause(account, reason=_body(request, _read_pause).reason, at=at, by=by)

        return _done(request, act)


class BudgetResumeView(APIView):
    """Let calls pass again; no body is read. 409 `budget_not_paused`, or `budget_used_up` while there is no
    room in the budget: raise it first.
    """

    @extend_schema(
        operation_id="billing_budget_resume",
        tags=["Limits"],
        parameters=[AccountQuery],
        request=None,
        responses=BudgetTermsSerializer,
    )
    def post(self, request: Request) -> Response:
        def act(account: Account, by: Actor, at: datetime) -> None:
            budgets.resume(account, at=at, by=by)

        return _done(request, act)


def _done(request: Request, act: Callable[[Account, Actor, datetime], None]) -> Response:
    """Do it for the account that the caller may change, and tell how its budget then stands."""
    at = timezone.now()
    principal = caller(request)
    account = account_for(
        principal,
        external_id=read_query(AccountQuery, request).get("user_id"),
        scope=Scope.ADMIN,
        staff_permission=PERMISSION,
    )
    with pointing(POINTERS):
        act(account, of_principal(principal), at)
    told: dict[str, Any] = budget_terms(
        limits.states(account, at=at), budget=budget_of(account), subscription=subscription_of(account)
    )
    return Response(BudgetTermsSerializer(told).data)


def _body(request: Request, form: "msgspec.json.Decoder[Struct]") -> Struct:
    # Without a body DRF parses nothing and hands on an empty mapping.
    sent = cast(Mapping[str, bytes], request.data)
    return decode(sent.get(BODY, b""), form)
