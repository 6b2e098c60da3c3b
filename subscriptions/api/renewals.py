"""GET /api/subscription/renewal-history/{user_id}: what began a term or changed what is paid for it."""

from decimal import Decimal
from typing import Any, Literal

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions import queries
from subscriptions.core.invoices import InvoiceState
from subscriptions.models import BillingHistory, ChangeKind, CycleChoices, SubscriptionChange, Tier
from subscriptions.queries import MAX_OFFSET
from usage.api.amounts import NumberField
from usage.api.caller import account_read
from usage.api.parameters import read_query
from usage.core.money import ZERO

MAX_PAGE = 100

RenewalType = Literal["new", "renewal", "upgrade", "downgrade"]
PaymentStatus = Literal["not_due", "pending", "paid", "failed"]
TYPES: dict[str, RenewalType] = {
    ChangeKind.STARTED: "new",
    ChangeKind.REACTIVATED: "new",
    ChangeKind.UPGRADED: "upgrade",
    ChangeKind.DOWNGRADED: "downgrade",
}


class RenewalsQuery(serializers.Serializer[Any]):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=50)
    offset = serializers.IntegerField(min_value=0, max_value=MAX_OFFSET, default=0)


class UsageBeforeSerializer(serializers.Serializer[Any]):
    """What the billing periods of the term before came to."""

    total_calls = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    total_cost = NumberField(help_text="USD, unrounded.")
    providers = serializers.IntegerField(help_text="How many were used.")


class RenewalSerializer(serializers.Serializer[Any]):
    """The previous fields are null where there was nothing before."""

    id = serializers.IntegerField()
    plan_name = serializers.CharField()
    plan_tier = serializers.ChoiceField(choices=Tier.choices)
    previous_period_start = serializers.DateTimeField(allow_null=True)
    previous_period_end = serializers.DateTimeField(allow_null=True)
    new_period_start = serializers.DateTimeField()
    new_period_end = serializers.DateTimeField()
    billing_cycle = serializers.ChoiceField(choices=CycleChoices.choices)
    renewal_type = serializers.ChoiceField(
        choices=["new", "renewal", "upgrade", "downgrade"],
        help_text="new: a first subscription, or one begun again. A renewal that brought another plan is an "
        "upgrade or a downgrade by the plans' monthly prices.",
    )
    renewal_count = serializers.IntegerField()
    previous_plan_name = serializers.CharField(allow_null=True)
    previous_plan_tier = serializers.ChoiceField(choices=Tier.choices, allow_null=True)
    usage_before_renewal = UsageBeforeSerializer(
        allow_null=True, help_text="null where no term ended with it."
    )
    payment_amount = NumberField(help_text="USD to pay for it, unrounded.")
    credit_amount = NumberField(help_text="USD that are the customer's instead; then nothing is to pay.")
    payment_status = serializers.ChoiceField(
        choices=["not_due", "pending", "paid", "failed"],
        help_text="That of the invoice it is on. not_due: nothing is to pay, or no longer; pending: it is on "
        "no invoice yet, or on one that is open; failed: an attempt to pay the invoice failed.",
    )
    payment_date = serializers.DateTimeField(
        allow_null=True, help_text="When it was paid; null while it was not."
    )
    created_at = serializers.DateTimeField(help_text="When it was written down.")


class RenewalPageSerializer(serializers.Serializer[Any]):
    renewals = RenewalSerializer(many=True, help_text="Newest first.")
    total_count = serializers.IntegerField(help_text="Of all pages.")
    limit = serializers.IntegerField()
    offset = serializers.IntegerField()
    has_more = serializers.BooleanField()


class RenewalHistoryView(APIView):
    """What began a term of the account's subscription or changed what is paid for it, newest first."""

    @extend_schema(
        operation_id="renewal_history",
        tags=["Subscriptions"],
        parameters=[RenewalsQuery],
        responses=RenewalPageSerializer,
    )
    def get(self, request: Request, user_id: str) -> Response:
        query = read_query(RenewalsQuery, request)
        account = account_read(request, user_id)
        page = queries.renewals_of(account, limit=query["limit"], offset=query["offset"])
        told = {
            "renewals": [renewal_fields(change) for change in page.rows],
            "total_count": page.total_count,
            "limit": query["limit"],
            "offset": query["offset"],
            "has_more": page.has_more,
        }
        return Response(RenewalPageSerializer(told).data)


def renewal_fields(change: SubscriptionChange) -> dict[str, Any]:
    """The fields of `RenewalSerializer`."""
    plan = change.version_after.plan
    before = None if change.version_before is None else change.version_before.plan
    to_pay = max(change.amount_due, ZERO)
    invoice = _invoice(change)
    return {
        "id": change.pk,
        "plan_name": plan.name,
        "plan_tier": plan.tier,
        "previous_period_start": change.term_before_start,
        "previous_period_end": change.term_before_end,
        "new_period_start": change.term_start,
        "new_period_end": change.term_end,
        "billing_cycle": change.billing_cycle,
        "renewal_type": renewal_type(change),
        "renewal_count": change.renewal_count,
        "previous_plan_name": None if before is None else before.name,
        "previous_plan_tier": None if before is None else before.tier,
        "usage_before_renewal": _usage(change.usage_before),
        "payment_amount": to_pay,
        "credit_amount": to_pay - change.amount_due,
        "payment_status": _payment_status(invoice) if to_pay else "not_due",
        "payment_date": invoice.paid_at if to_pay and invoice is not None else None,
        "created_at": change.recorded_at,
    }


def _invoice(change: SubscriptionChange) -> BillingHistory | None:
    """The invoice that bills it, once it has its number."""
    billed = [line.invoice for line in change.invoice_lines.all() if line.invoice.number is not None]
    return billed[0] if billed else None


def _payment_status(invoice: BillingHistory | None) -> PaymentStatus:
    if invoice is None:
        return "pending"
    match invoice.state:
        case InvoiceState.PAID:
            return "paid"
        case InvoiceState.VOID:
            return "not_due"
        case InvoiceState.UNCOLLECTIBLE:
            return "failed"
    return "failed" if invoice.collection.failed_attempts else "pending"


def renewal_type(change: SubscriptionChange) -> RenewalType:
    """What front ends call the change."""
    before, after = change.version_before, change.version_after
    if change.kind != ChangeKind.RENEWED or before is None:
        return TYPES[change.kind]
    if before.plan_id == after.plan_id or before.price_monthly == after.price_monthly:
        return "renewal"
    return "upgrade" if after.price_monthly > before.price_monthly else "downgrade"


def _usage(stored: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if stored is None else {**stored, "total_cost": Decimal(stored["total_cost"])}
