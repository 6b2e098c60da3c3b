"""JSON bodies of both groups."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.test import Client
from django.urls import path
from django.utils.translation import gettext_lazy
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alwrity_billing.api.envelopes import to_json
from usage.models import Role

pytestmark = pytest.mark.urls(__name__)


class Costs(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        status = int(request.query_params.get("status", 200))
        body = None if status == 204 else {"total": Decimal("47.608895000000000000")}
        return Response(body, status=status)


class BareCosts(Costs):
    bare = True


urlpatterns = [
    path("api/subscription/costs", Costs.as_view()),
    path("api/subscription/bare", BareCosts.as_view()),
    path("api/usage/costs", Costs.as_view()),
]


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/api/subscription/costs", b'{"success":true,"data":{"total":47.608895}}'),
        ("/api/subscription/bare", b'{"total":47.608895}'),
        ("/api/subscription/costs?status=422", b'{"total":47.608895}'),
        ("/api/usage/costs", b'{"total":"47.608895"}'),
    ],
)
def test_a_body_has_the_form_of_its_group(client: Client, address: str, body: bytes) -> None:
    answer = client.get(address)
    assert answer.content == body
    assert answer["Content-Type"] == "application/json"


def test_an_answer_without_content_has_no_envelope_either(client: Client) -> None:
    assert client.get("/api/subscription/costs?status=204").content == b""


@pytest.mark.parametrize(
    ("amount", "digits"),
    [
        ("0", "0"),
        ("0E-18", "0"),
        ("0.10", "0.1"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("0.000000000000000001", "0.000000000000000001"),
        # Neither of these survives a binary double.
        ("12345678901234567.123456789012345678", "12345678901234567.123456789012345678"),
        ("0.30000000000000004441", "0.30000000000000004441"),
    ],
)
def test_money_keeps_every_digit(amount: str, digits: str) -> None:
    assert to_json(Decimal(amount), money_as_numbers=True).decode() == digits
    assert to_json(Decimal(amount), money_as_numbers=False).decode() == f'"{digits}"'


@dataclass(frozen=True)
class Line:
    amount: Decimal


class Struct(msgspec.Struct):
    amount: Decimal


def test_money_is_found_at_any_depth_and_in_any_container() -> None:
    data = {"lines": [Line(Decimal("1.50")), Struct(Decimal("2.50"))], "pair": (Decimal("3.50"),)}
    assert json.loads(to_json(data, money_as_numbers=True), parse_float=Decimal) == {
        "lines": [{"amount": Decimal("1.5")}, {"amount": Decimal("2.5")}],
        "pair": [Decimal("3.5")],
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 3, 15, 12, 0, tzinfo=UTC), '"2026-03-15T12:00:00Z"'),
        (datetime(2026, 3, 15, 12, 0, tzinfo=timezone(timedelta(hours=2))), '"2026-03-15T12:00:00+02:00"'),
        (gettext_lazy("Yes"), '"Yes"'),
        (Role.OWNER, '"owner"'),
        ("é", '"é"'),
        (None, "null"),
    ],
)
def test_other_values_have_their_usual_form(value: Any, text: str) -> None:
    assert to_json(value, money_as_numbers=False).decode() == text


@pytest.mark.parametrize(
    "value",
    [Decimal("NaN"), Decimal("Infinity"), datetime(2026, 3, 15)],  # noqa: DTZ001
)
def test_what_json_cannot_tell_exactly_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"not a finite amount|no offset"):
        to_json([value], money_as_numbers=True)
