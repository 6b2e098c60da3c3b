"""GET /api/billing/credits: what an account's invoices take before anything is charged, and its ledger."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions import credits, invoice_queries
from subscriptions.api.pages import MAX_PAGE, PageQuery, PageSerializer, page_fields
from subscriptions.models import CreditEntry, CreditEntryKind, CreditGrant, CreditKind
from usage.api.amounts import CURRENCY, AmountField, SignedAmountField
from usage.api.caller import account_read
from usage.api.parameters import read_query


class CreditGrantSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=CreditKind.choices)
    amount = AmountField()
    balance = AmountField(help_text="What is left.")
    priority = serializers.IntegerField(help_text="Lower goes first.")
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="What is left then is lost.")


class CreditEntrySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    grant_id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=CreditEntryKind.choices)
    amount = SignedAmountField(help_text="In is positive, out negative.")
    invoice_number = serializers.CharField(allow_null=True, help_text="null where no invoice moved it.")
    at = serializers.DateTimeField()


class CreditsSerializer(PageSerializer):
    currency = serializers.ChoiceField(choices=[CURRENCY])
    balance = AmountField(help_text="What the next invoice can take.")
    grants = CreditGrantSerializer(many=True, help_text=f"The newest {MAX_PAGE}, used ones included.")
    ledger = CreditEntrySerializer(many=True, help_text="A page of all that happened, newest first.")


class CreditsView(APIView):
    """The account's credits and their ledger."""

    @extend_schema(
        operation_id="billing_credits",
        tags=["Invoices"],
        parameters=[PageQuery],
        responses=CreditsSerializer,
    )
    def get(self, request: Request) -> Response:
        query = read_query(PageQuery, request)
        account = account_read(request, query.get("user_id"))
        page = invoice_queries.ledger_of(account, limit=query["limit"], offset=query["offset"])
        told = {
            "currency": CURRENCY,
            "balance": credits.balance_of(account, at=timezone.now()),
            "grants": [
                _grant_fields(grant) for grant in invoice_queries.grants_of(account, at_most=MAX_PAGE)
            ],
            **page_fields(page, query, rows="ledger", fields=_entry_fields),
        }
        return Response(CreditsSerializer(told).data)


def _grant_fields(grant: CreditGrant) -> dict[str, Any]:
    return {
        "id": grant.pk,
        "kind": grant.kind,
        "amount": grant.amount,
        "balance": grant.balance,
        "priority": grant.priority,
        "reason": grant.reason,
        "created_at": grant.created_at,
        "expires_at": grant.expires_at,
    }


def _entry_fields(entry: CreditEntry) -> dict[str, Any]:
    return {
        "id": entry.pk,
        "grant_id": entry.grant_id,
        "kind": entry.kind,
        "amount": entry.amount,
        "invoice_number": None if entry.invoice is None else entry.invoice.number,
        "at": entry.at,
    }
