"""Errors as clients see them, under both forms."""

import logging
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from django.views.decorators.http import require_GET
from rest_framework import serializers
from rest_framework.exceptions import Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from usage.core.errors import AccessDenied, BillingError, InvalidRequest, NotAuthenticated, NotFound, TooLarge

pytestmark = pytest.mark.urls(__name__)

SECRET = "password=hunter2"


class Upgradable(BillingError):
    code = "limit_reached"
    status = 429


RAISED: dict[str, Exception] = {
    "invalid": InvalidRequest("months takes 1 to 24.", details={"field": "months"}),
    "unauthenticated": NotAuthenticated("Log in."),
    "denied": AccessDenied("Not yours."),
    "missing": NotFound("There is no such invoice."),
    "large": TooLarge("At most 10000 events."),
    "hinted": Upgradable("No calls left.", details={"retry_after": 30, "limit": 5}, hint="Upgrade to Pro."),
    "django-404": Http404(SECRET),
    "django-403": PermissionDenied(SECRET),
    "django-400": SuspiciousOperation(SECRET),
    "bug": ZeroDivisionError(SECRET),
}


def plain_view(request: HttpRequest, name: str) -> HttpResponse:
    raise RAISED[name]


def ask_a_dead_database(request: HttpRequest) -> HttpResponse:
    """The server ends this connection, and the next query finds it closed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    return HttpResponse()


class Operation(serializers.Serializer[Any]):
    provider = serializers.CharField()
    tokens = serializers.IntegerField(min_value=0, required=False)


class Order(serializers.Serializer[Any]):
    operations = Operation(many=True)

    def validate(self, attributes: dict[str, Any]) -> dict[str, Any]:
        if len(attributes["operations"]) > 1:
            raise serializers.ValidationError("One operation at a time.")
        return attributes


class Orders(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        Order(data=request.data).is_valid(raise_exception=True)
        return Response({})


class Raising(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]

    def get(self, request: Request, name: str) -> Response:
        raise Throttled(wait=7) if name == "throttled" else RAISED[name]


urlpatterns = [
    path("api/raise/<name>", plain_view),
    path("api/drf/<name>", Raising.as_view()),
    path("api/orders", Orders.as_view()),
    path("api/get-only", require_GET(lambda request: HttpResponse())),
    path("api/dead-database", ask_a_dead_database),
    path("api/subscription/raise/<name>", plain_view),
    path("api/subscription/drf/<name>", Raising.as_view()),
    path("page/<name>", plain_view),
    # What the error pages link to.
    path("", include("alwrity_billing.dashboard.urls")),
]


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


# --- The two forms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/api/raise/invalid", "/api/drf/invalid"])
def test_an_error_is_problem_json(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer["Content-Type"] == "application/problem+json"
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "months takes 1 to 24.",
            "code": "invalid_request",
            "field": "months",
        },
    )


@pytest.mark.parametrize("address", ["/api/subscription/raise/invalid", "/api/subscription/drf/invalid"])
def test_under_subscription_it_is_the_legacy_envelope(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer["Content-Type"] == "application/json"
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "success": False,
            "error": "months takes 1 to 24.",
            "code": "invalid_request",
            "detail": {"field": "months"},
        },
    )


@pytest.mark.parametrize(
    "group", ["/api/raise", "/api/drf", "/api/subscription/raise", "/api/subscription/drf"]
)
@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("unauthenticated", 401, "not_authenticated"),
        ("denied", 403, "access_denied"),
        ("missing", 404, "not_found"),
        ("large", 413, "too_large"),
        ("hinted", 429, "limit_reached"),
        ("django-404", 404, "not_found"),
        ("django-403", 403, "access_denied"),
        ("django-400", 400, "invalid_request"),
        ("bug", 500, "internal_error"),
    ],
)
def test_an_exception_has_its_status_and_code_everywhere(
    client: Client, group: str, name: str, status: int, code: str
) -> None:
    answer = client.get(f"{group}/{name}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert SECRET not in answer.content.decode()


def test_details_hint_and_waiting_time_are_told(client: Client) -> None:
    answer = client.get("/api/raise/hinted")
    told = answer.json()
    assert (told["limit"], told["hint"], told["retry_after"]) == (5, "Upgrade to Pro.", 30)
    assert answer["Retry-After"] == "30"


def test_a_throttled_client_is_told_when_to_return(client: Client) -> None:
    answer = client.get("/api/drf/throttled")
    assert (answer.status_code, answer["Retry-After"]) == (429, "7")


# --- What Django itself refuses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "media_type"),
    [
        ("/api/nowhere", "application/problem+json"),
        ("/api/subscription/nowhere", "application/json"),
    ],
)
def test_an_unknown_address_under_the_api_is_no_page(client: Client, address: str, media_type: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (404, media_type)
    assert answer.json()["code"] == "not_found"
    assert int(answer["Content-Length"]) == len(answer.content)


def test_a_wrong_method_names_the_right_ones(client: Client) -> None:
    answer = client.post("/api/get-only")
    assert (answer.status_code, answer["Allow"]) == (405, "GET")
    assert answer.json()["code"] == "method_not_allowed"


def test_a_wrong_method_of_a_drf_view_names_the_right_ones(client: Client) -> None:
    answer = client.put("/api/orders")
    assert (answer.status_code, answer["Allow"]) == (405, "POST, OPTIONS")
    assert answer.json()["code"] == "method_not_allowed"


def test_a_host_that_is_not_ours_is_refused_without_a_page(client: Client) -> None:
    answer = client.get("/api/raise/invalid", headers={"host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_pages_keep_djangos_own_errors(client: Client) -> None:
    for name, status in [("missing", 404), ("denied", 403), ("invalid", 400), ("bug", 500)]:
        answer = client.get(f"/page/{name}")
        assert answer.status_code == status
        assert answer["Content-Type"].startswith("text/html")


# --- Wrong bodies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/operations"]),
        ({"operations": [{}]}, ["/operations/0/provider"]),
        ({"operations": [{"provider": "openai"}, {"tokens": 1}]}, ["/operations/1/provider"]),
        ({"operations": [{"tokens": -1}]}, ["/operations/0/provider", "/operations/0/tokens"]),
        ({"operations": [{"provider": "openai"}] * 2}, [""]),
        ([], [""]),
    ],
)
def test_every_wrong_field_is_pointed_at(client: Client, body: Any, pointers: list[str]) -> None:
    answer = client.post("/api/orders", body, content_type="application/json")
    assert answer.status_code == 400
    assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers


def test_the_sentence_names_the_first_wrong_field(client: Client) -> None:
    body = {"operations": [{"tokens": -1}]}
    answer = client.post("/api/orders", body, content_type="application/json")
    assert answer.json()["detail"] == "/operations/0/provider: This field is required. (1 more in errors)"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid_request"),
        (b"\xff", "application/json", 400, "invalid_request"),
        (b"<a/>", "application/xml", 415, "unsupported_media_type"),
    ],
)
def test_a_body_that_is_no_json_is_named(
    client: Client, body: bytes, content_type: str, status: int, code: str
) -> None:
    answer = client.post("/api/orders", body, content_type=content_type)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_client_that_takes_no_json_is_told_in_json(client: Client) -> None:
    answer = client.get("/api/drf/invalid", headers={"accept": "text/csv"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


# --- Trouble of ours -------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/api/raise/bug", "/api/drf/bug"])
def test_an_unexpected_error_is_logged_under_the_id_it_is_answered_with(
    client: Client, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="alwrity_billing.api.problems"):
        request_id = client.get(address).json()["request_id"]
    record = next(record for record in caplog.records if request_id in record.getMessage())
    assert record.exc_text is not None
    assert record.exc_text.splitlines()[-1].startswith("ZeroDivisionError")


def test_an_unexpected_error_reaches_error_trackers() -> None:
    with pytest.raises(ZeroDivisionError):
        Client().get("/api/raise/bug")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_gone_means_come_back_later(client: Client) -> None:
    answer = client.get("/api/dead-database")
    connection.close()
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["code"] == "database_unavailable"
