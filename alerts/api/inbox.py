"""GET /api/subscription/alerts/{user_id}, and marking alerts read."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts import inbox, queries
from alerts.api.alerts import AlertSerializer, alert_fields
from alerts.api.reach import account_marked
from usage.access import require
from usage.api.caller import account_read, caller
from usage.api.parameters import read_query
from usage.models import Scope

MAX_ALERTS = 100


class AlertsQuery(serializers.Serializer[Any]):
    unread_only = serializers.BooleanField(default=False, help_text="Only those that nobody has read yet.")
    limit = serializers.IntegerField(min_value=1, max_value=MAX_ALERTS, default=50)


class AlertsSerializer(serializers.Serializer[Any]):
    alerts = AlertSerializer(many=True, help_text="Newest first.")
    total = serializers.IntegerField(help_text="How many there are of those asked for, beyond the limit too.")
    unread_count = serializers.IntegerField(help_text="How many of all nobody has read yet.")


class MarkedSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()


class AlertsView(APIView):
    """The account's inbox."""

    @extend_schema(
        operation_id="alerts", tags=["Alerts"], parameters=[AlertsQuery], responses=AlertsSerializer
    )
    def get(self, request: Request, user_id: str) -> Response:
        query = read_query(AlertsQuery, request)
        found = queries.inbox_of(
            account_read(request, user_id), unread_only=query["unread_only"], limit=query["limit"]
        )
        told = {
            "alerts": [alert_fields(alert) for alert in found.alerts],
            "total": found.total,
            "unread_count": found.unread_count,
        }
        return Response(AlertsSerializer(told).data)


class MarkReadView(APIView):
    """Mark an alert read, for all members of its account.

    Whoever reads the account's alerts may; staff need the permission to change them. One that was read before
    keeps the time it was read first.
    """

    @extend_schema(
        operation_id="mark_alert_read",
        tags=["Alerts"],
        parameters=[OpenApiParameter("alert_id", OpenApiTypes.INT, OpenApiParameter.PATH)],
        request=None,
        responses=MarkedSerializer,
    )
    def post(self, request: Request, alert_id: str) -> Response:
        principal = caller(request)
        require(principal, Scope.READ)
        account = queries.account_told(int(alert_id), among=principal.accounts)
        inbox.mark_read(account_marked(request, account.external_id), int(alert_id), at=timezone.now())
        return Response({"message": "The alert is marked read."})


class MarkAllReadView(APIView):
    """Mark all that is in the account's inbox read. Whoever may mark one alert read may."""

    @extend_schema(
        operation_id="mark_all_alerts_read", tags=["Alerts"], request=None, responses=MarkedSerializer
    )
    def post(self, request: Request, user_id: str) -> Response:
        inbox.mark_all_read(account_marked(request, user_id), at=timezone.now())
        return Response({"message": "All alerts are marked read."})
