"""/api/usage/alerts/deliveries: what went where, what became of it, and another try."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts import delivery_log, queries, words
from alerts.api.reach import account_changed, may_change
from alerts.delivery_log import MAX_ID, Place
from alerts.models import AlertDelivery, DeliveryState
from usage.api.caller import account_read
from usage.api.parameters import AccountQuery, read_query

MAX_PAGE = 100


class CursorField(serializers.CharField):
    """The `next_cursor` of a page, read as the place it names."""

    default_error_messages = {"unknown": "Take it from the next_cursor of the page before."}

    def run_validation(self, data: Any = serializers.empty) -> Place | None:
        text = super().run_validation(data)
        place = Place.parse(text)
        if place is None:
            self.fail("unknown")
        return place


class DeliveriesQuery(AccountQuery):
    cursor = CursorField(required=False, help_text="The next_cursor of the page before.")
    channel = serializers.IntegerField(
        min_value=1, max_value=MAX_ID, required=False, help_text="Only those of the channel with this id."
    )
    state = serializers.ChoiceField(choices=DeliveryState.choices, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=50)


class DeliverySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="Webhooks know it by msg_ and this without hyphens.")
    alert_id = serializers.IntegerField()
    alert = serializers.CharField(help_text="The alert's title.")
    type = serializers.CharField(help_text="What the alert is about.")
    channel_id = serializers.IntegerField()
    channel = serializers.CharField(help_text="The kind of channel and what may be seen of its address.")
    recipient = serializers.CharField(
        help_text="The email address, in part for those who may not change alerts; empty where the channel "
        "has one destination."
    )
    digest = serializers.BooleanField(help_text="Whether it goes out with others, once a day.")
    state = serializers.ChoiceField(choices=DeliveryState.choices)
    attempts = serializers.IntegerField()
    status_code = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(help_text="Why the last attempt failed; empty where none did.")
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class DeliveriesSerializer(serializers.Serializer[Any]):
    deliveries = DeliverySerializer(many=True, help_text="Those of the newest alerts first.")
    next_cursor = serializers.CharField(allow_null=True, help_text="Of the page that follows; null: none.")


class DeliveriesView(APIView):
    """The log of the account's deliveries, without the inbox: an alert is in that by being there."""

    @extend_schema(
        operation_id="alert_deliveries",
        tags=["Alerts"],
        parameters=[DeliveriesQuery],
        responses=DeliveriesSerializer,
    )
    def get(self, request: Request) -> Response:
        query = read_query(DeliveriesQuery, request)
        account = account_read(request, query.get("user_id"))
        page = delivery_log.page_of(
            account,
            limit=query["limit"],
            channel_id=query.get("channel"),
            state=query.get("state"),
            after=query.get("cursor"),
        )
        shows_recipient = may_change(request, account)
        told = {
            "deliveries": [
                delivery_fields(each, shows_recipient=shows_recipient) for each in page.deliveries
            ],
            "next_cursor": None if page.after is None else str(page.after),
        }
        return Response(DeliveriesSerializer(told).data)


class RetryDeliveryView(APIView):
    """Make a delivery that was given up again, under the same id; one that waits is left alone.

    For those who may change the account's alerts.
    """

    @extend_schema(
        operation_id="retry_alert_delivery",
        tags=["Alerts"],
        parameters=[OpenApiParameter("delivery_id", OpenApiTypes.UUID, OpenApiParameter.PATH), AccountQuery],
        request=None,
        responses=DeliverySerializer,
    )
    def post(self, request: Request, delivery_id: UUID) -> Response:
        query = read_query(AccountQuery, request)
        account = account_changed(request, query.get("user_id"))
        delivery_log.try_again(account, delivery_id, at=timezone.now())
        delivery = queries.delivery_of(account, delivery_id)
        return Response(DeliverySerializer(delivery_fields(delivery, shows_recipient=True)).data)


def delivery_fields(delivery: AlertDelivery, *, shows_recipient: bool) -> dict[str, Any]:
    """The fields of `DeliverySerializer`."""
    return {
        "id": delivery.pk,
        "alert_id": delivery.alert_id,
        "alert": delivery.alert.title,
        "type": delivery.alert.rule,
        "channel_id": delivery.channel_id,
        "channel": str(delivery.channel),
        "recipient": delivery.recipient if shows_recipient else words.masked(delivery.recipient),
        "digest": delivery.is_digest,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "status_code": delivery.status_code,
        "error": delivery.error,
        "next_attempt_at": delivery.next_attempt_at,
        "sent_at": delivery.sent_at,
        "created_at": delivery.created_at,
    }
