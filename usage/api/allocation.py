"""GET /api/billing/allocation: for whom the account's usage was, as far as its calls told."""

from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from usage import patterns
from usage.analytics import Selection
from usage.api.amounts import CURRENCY, AmountField
from usage.api.breakdowns import OTHERS, added_up
from usage.api.caller import account_read
from usage.api.parameters import read_query
from usage.api.spans import Span, SpanQuery, SpanSerializer, span_of
from usage.core.money import ZERO
from usage.models import Account
from usage.patterns import Allocation
from usage.queries import Group

UNALLOCATED = "unallocated"


class CostAllocationSerializer(serializers.Serializer[Any]):
    """USD by name, the dearest first. Each comes to `total_cost`: `unallocated` is what told no name, and
    `others` all names beyond the dearest 1000 together.
    """

    by_team = serializers.DictField(child=AmountField())
    by_project = serializers.DictField(child=AmountField())
    by_department = serializers.DictField(child=AmountField())


class AllocationSerializer(SpanSerializer):
    account = serializers.CharField(help_text="Its user_id.")
    currency = serializers.ChoiceField(choices=[CURRENCY])
    total_cost = AmountField(help_text="Unrounded.")
    cost_allocation = CostAllocationSerializer()


class AllocationView(APIView):
    """What each team, project and department cost, by the time the calls happened, in whole UTC days.

    `from` and `to` are widened to whole days, and the answer says to which. At most 1000 days.
    """

    @extend_schema(
        operation_id="billing_allocation",
        tags=["Costs"],
        parameters=[SpanQuery],
        responses=AllocationSerializer,
    )
    def get(self, request: Request) -> Response:
        at = timezone.now()
        query = read_query(SpanQuery, request)
        account = account_read(request, query.get("user_id"))
        span = span_of(interval="day", start=query.get("from"), end=query.get("to", at))
        return Response(AllocationSerializer(allocation(account, span=span)).data)


def allocation(account: Account, *, span: Span) -> dict[str, Any]:
    """The fields of `AllocationSerializer`."""
    found = patterns.allocations(Selection(account=account, start=span.start, end=span.end))
    costs = {f"by_{dimension}": _costs(each) for dimension, each in found.items()}
    return {
        "account": account.external_id,
        "currency": CURRENCY,
        "start": span.start,
        "end": span.end,
        "total_cost": sum(costs["by_team"].values(), ZERO),
        "cost_allocation": costs,
    }


def _costs(found: Allocation) -> dict[str, Decimal]:
    others = [Group(key=OTHERS, totals=found.others)] if found.others.calls else []
    unallocated = Group(key=UNALLOCATED, totals=found.unallocated)
    return {name: totals.cost for name, totals in added_up([*found.named, *others, unallocated]).items()}
