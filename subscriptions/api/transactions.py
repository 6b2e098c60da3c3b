"""GET /api/billing/transactions: invoices, payments and credit notes together."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions import invoice_queries
from subscriptions.api.pages import PageQuery, PageSerializer, page_fields
from subscriptions.invoice_queries import Transaction, TransactionKind
from usage.api.amounts import CURRENCY, SignedAmountField
from usage.api.caller import account_read
from usage.api.parameters import read_query

KINDS = [(kind.value, kind.value) for kind in TransactionKind]


class TransactionSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=KINDS)
    id = serializers.IntegerField(help_text="Unique among those of its kind.")
    at = serializers.DateTimeField(
        help_text="When the invoice was finalized, the payment was made or failed, the credit note written."
    )
    amount = SignedAmountField(
        help_text="An invoice's total, which may be below nothing; what a payment or a credit note is over."
    )
    currency = serializers.ChoiceField(choices=[CURRENCY])
    state = serializers.CharField(
        help_text="That of the invoice or payment; for a credit note what it does with its amount."
    )
    number = serializers.CharField(help_text="The document's own; empty for a payment.")
    invoice_number = serializers.CharField(help_text="That of the invoice it belongs to.")
    note = serializers.CharField(
        help_text="An invoice's reason, a payment's method, why a credit note was written."
    )


class TransactionPageSerializer(PageSerializer):
    transactions = TransactionSerializer(many=True, help_text="Newest first.")


class TransactionsView(APIView):
    """The account's invoices, payments (failed ones included) and credit notes, newest first."""

    @extend_schema(
        operation_id="billing_transactions",
        tags=["Invoices"],
        parameters=[PageQuery],
        responses=TransactionPageSerializer,
    )
    def get(self, request: Request) -> Response:
        query = read_query(PageQuery, request)
        account = account_read(request, query.get("user_id"))
        page = invoice_queries.transactions_of(account, limit=query["limit"], offset=query["offset"])
        told = page_fields(page, query, rows="transactions", fields=_fields)
        return Response(TransactionPageSerializer(told).data)


def _fields(transaction: Transaction) -> dict[str, Any]:
    return {
        "kind": transaction.kind.value,
        "id": transaction.id,
        "at": transaction.at,
        "amount": transaction.amount,
        "currency": CURRENCY,
        "state": transaction.state,
        "number": transaction.number,
        "invoice_number": transaction.invoice_number,
        "note": transaction.note,
    }
