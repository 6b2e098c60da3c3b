"""GET /api/billing/invoices/upcoming: what the next invoice comes to as things stand."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions import previews
from subscriptions.api.invoices import SpanSerializer
from subscriptions.models import LineKindChoices
from subscriptions.previews import Upcoming, UpcomingLine
from usage.api.amounts import CURRENCY, AmountField, SignedAmountField
from usage.api.caller import account_read
from usage.api.parameters import AccountQuery, read_query
from usage.core.errors import NotFound


class UpcomingLineSerializer(serializers.Serializer[Any]):
    """Usage is told by provider; the invoice will have it by model and price."""

    kind = serializers.ChoiceField(choices=LineKindChoices.choices)
    description = serializers.CharField()
    provider = serializers.CharField(help_text="Empty where the line is not about one.")
    quantity = AmountField(allow_null=True)
    unit = serializers.CharField(help_text="What the quantity counts, such as token.")
    precise_amount = SignedAmountField(help_text="Unrounded.")
    amount = SignedAmountField(help_text="In cents.")
    period = SpanSerializer()


class UpcomingSerializer(serializers.Serializer[Any]):
    """What the next invoice comes to if nothing more happens."""

    currency = serializers.ChoiceField(choices=[CURRENCY])
    period = SpanSerializer(help_text="The billing period it will close.")
    due_from = serializers.DateTimeField(help_text="When it is written.")
    lines = UpcomingLineSerializer(many=True)
    total = SignedAmountField()
    credit_applied = AmountField(help_text="What the account's credits pay of it.")
    amount_due = AmountField()


class UpcomingInvoiceView(APIView):
    """The next invoice as things stand; 404 where none is to come."""

    @extend_schema(
        operation_id="billing_invoice_upcoming",
        tags=["Invoices"],
        parameters=[AccountQuery],
        responses=UpcomingSerializer,
    )
    def get(self, request: Request) -> Response:
        query = read_query(AccountQuery, request)
        account = account_read(request, query.get("user_id"))
        upcoming = previews.upcoming(account, at=timezone.now())
        if upcoming is None:
            raise NotFound("No invoice is to come: there is no subscription.", code="no_upcoming_invoice")
        return Response(UpcomingSerializer(upcoming_fields(upcoming)).data)


def upcoming_fields(upcoming: Upcoming) -> dict[str, Any]:
    """The fields of `UpcomingSerializer`."""
    return {
        "currency": CURRENCY,
        "period": {"start": upcoming.period.start, "end": upcoming.period.end},
        "due_from": upcoming.due_from,
        "lines": [_line_fields(line) for line in upcoming.lines],
        "total": upcoming.total,
        "credit_applied": upcoming.credit,
        "amount_due": upcoming.amount_due,
    }


def _line_fields(shown: UpcomingLine) -> dict[str, Any]:
    line = shown.line
    return {
        "kind": line.kind.value,
        "description": line.description,
        "provider": line.provider,
        "quantity": line.quantity,
        "unit": line.unit,
        "precise_amount": line.precise,
        "amount": shown.amount,
        "period": {"start": line.term.start, "end": line.term.end},
    }
