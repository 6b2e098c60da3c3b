"""Addresses of Stripe's pages: to take a plan with a card, to save a card, to manage cards.

Card numbers never touch this server. Whoever may change the account gets an address, for its people to open.
"""

from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.api.subscribe import PERMISSION, SubscribeSerializer, plan_asked_for
from subscriptions.core.terms import BillingCycle
from subscriptions.stripe import checkout
from usage.access import account_for
from usage.api.caller import caller
from usage.api.parameters import AccountQuery, read_query
from usage.core.errors import InvalidRequest
from usage.models import Account, Scope

# Where people come back to when nobody says where.
HOME = "overview"
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The same request under the same key is answered with the same page for a day, as long as "
    "what is charged stays the same.",
)


class ReturnSerializer(serializers.Serializer[Any]):
    return_url = serializers.CharField(
        required=False,
        max_length=1_000,
        help_text="Where Stripe's page leads back to, on this host or one that the installation allows. "
        "Default: this project's own pages.",
    )


class CheckoutSerializer(SubscribeSerializer, ReturnSerializer):
    """A plan, and where to come back to."""


class PageSerializer(serializers.Serializer[Any]):
    url = serializers.URLField(help_text="Open it in the customer's browser.")


class CheckoutSessionView(APIView):
    """A page of Stripe's on which a card is saved; the account is then subscribed to the plan and charged.

    For owners, billing admins, and keys with the scope admin; staff need the permission to change
    subscriptions. 503 where no card payments are set up.
    """

    @extend_schema(
        operation_id="create_checkout_session",
        tags=["Subscriptions"],
        parameters=[AccountQuery, IDEMPOTENCY_KEY],
        request=CheckoutSerializer,
        responses=PageSerializer,
    )
    def post(self, request: Request) -> Response:
        at = timezone.now()
        account = _account(request)
        asked = _body(CheckoutSerializer, request)
        plan = plan_asked_for(asked["plan_id"], account=account, by_staff=False, at=at)
        url = checkout.checkout_url(
            account,
            plan=plan,
            cycle=BillingCycle(asked["billing_cycle"]),
            return_url=_return_url(request, asked),
            at=at,
            key=_key(request),
        )
        return Response({"url": url})


class PortalSessionView(APIView):
    """A page of Stripe's on which the account's cards and invoices are managed."""

    @extend_schema(
        operation_id="create_portal_session",
        tags=["Subscriptions"],
        parameters=[AccountQuery],
        request=ReturnSerializer,
        responses=PageSerializer,
    )
    def post(self, request: Request) -> Response:
        account = _account(request)
        back = _return_url(request, _body(ReturnSerializer, request))
        return Response({"url": checkout.portal_url(account, return_url=back, at=timezone.now())})


class PaymentMethodView(APIView):
    """A page of Stripe's on which a card is saved, which then pays the account's invoices."""

    @extend_schema(
        operation_id="payment_method",
        tags=["Subscriptions"],
        parameters=[AccountQuery, IDEMPOTENCY_KEY],
        request=ReturnSerializer,
        responses=PageSerializer,
    )
    def post(self, request: Request) -> Response:
        account = _account(request)
        back = _return_url(request, _body(ReturnSerializer, request))
        url = checkout.card_url(account, return_url=back, at=timezone.now(), key=_key(request))
        return Response({"url": url})


def _account(request: Request) -> Account:
    """The account whose cards are to be changed: the caller's own, or one that staff name."""
    return account_for(
        caller(request),
        external_id=read_query(AccountQuery, request).get("user_id"),
        scope=Scope.ADMIN,
        staff_permission=PERMISSION,
    )


def _body(declared: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    asked = declared(data=request.data)
    asked.is_valid(raise_exception=True)
    values: dict[str, Any] = asked.validated_data
    return values


def _key(request: Request) -> str:
    """What the client calls this request, to ask for the same again; empty where it does not say."""
    return str(request.headers.get("Idempotency-Key", ""))


def _return_url(request: Request, asked: dict[str, Any]) -> str:
    """Where Stripe's page leads back to. Raises InvalidRequest for a host that is not allowed."""
    url = asked.get("return_url") or reverse(HOME)
    allowed = {request.get_host(), *settings.RETURN_URL_HOSTS}
    if not url_has_allowed_host_and_scheme(url, allowed_hosts=allowed, require_https=request.is_secure()):
        message = "Choose an address on this host, or on one of RETURN_URL_HOSTS."
        fault = {"pointer": "/return_url", "code": "host_not_allowed", "message": message}
        raise InvalidRequest(f"/return_url: {message}", code="host_not_allowed", details={"errors": [fault]})
    return str(request.build_absolute_uri(url))
