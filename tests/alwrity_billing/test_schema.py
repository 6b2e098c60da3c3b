"""/api/schema and /docs. That the API answers as they say is test_api_conformance's."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import call_command
from django.test import Client
from playwright.sync_api import sync_playwright
from pytest_django.live_server_helper import LiveServer

from alwrity_billing.api.schema import EXAMPLES
from tests.support.contract import hold_against_schema, published_schema
from usage.api.authorizations import AuthorizationStanding, ExtensionRequest
from usage.events import ReportedCost, Tags, Units, UsageData, UsageEvent
from usage.operations import AuthorizationRequest, Authorized, Decision, Held, LimitStanding, Operation
from usage.settlement import CallQuantities, Settled, SettlementRequest

# Every call that the contract with existing front ends and servers names, but Stripe's webhook.
CALLS = """
GET  /api/billing/allocation
GET  /api/billing/audit
GET  /api/billing/costs
GET  /api/billing/costs/analytics
GET  /api/billing/forecast
GET  /api/billing/invoice/{invoice_id}
GET  /api/billing/limits
GET  /api/billing/subscription
GET  /api/billing/transactions
GET  /api/subscription/alerts/{user_id}
GET  /api/subscription/dashboard/{user_id}
GET  /api/subscription/plans
GET  /api/subscription/pricing
GET  /api/subscription/renewal-history/{user_id}
GET  /api/subscription/status/{user_id}
GET  /api/subscription/usage-logs
GET  /api/subscription/usage/{user_id}
GET  /api/subscription/usage/{user_id}/trends
GET  /api/subscription/user/{user_id}/subscription
GET  /api/usage/alerts
GET  /api/usage/authorizations/{authorization_id}
GET  /api/usage/current
GET  /api/usage/history
GET  /api/usage/limits
POST /api/billing/budget/update
POST /api/billing/payment-method
POST /api/subscription/alerts/{alert_id}/mark-read
POST /api/subscription/create-checkout-session
POST /api/subscription/create-portal-session
POST /api/subscription/preflight-check
POST /api/subscription/subscribe/{user_id}
POST /api/usage/alerts
POST /api/usage/authorizations
POST /api/usage/authorizations/{authorization_id}/extend
POST /api/usage/authorizations/{authorization_id}/release
POST /api/usage/authorizations/{authorization_id}/settle
POST /api/usage/events
"""


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    return published_schema().raw_schema


def success(raw: dict[str, Any], path: str) -> dict[str, Any]:
    content: dict[str, Any] = raw["paths"][path]["get"]["responses"]["200"]["content"]
    schema: dict[str, Any] = content["application/json"]["schema"]
    return schema


def json_successes(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (status, content)
        for status, response in operation["responses"].items()
        for media_type, content in response.get("content", {}).items()
        if status.startswith("2") and media_type == "application/json"
    ]


def test_the_schema_is_valid_and_complete(tmp_path: Path) -> None:
    file = tmp_path / "schema.yml"

    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    assert file.read_text().startswith("openapi: 3.0")


@pytest.mark.parametrize(
    ("format_", "media_type"),
    [("json", "application/vnd.oai.openapi+json"), ("yaml", "application/vnd.oai.openapi")],
)
def test_the_schema_is_served_to_anyone(client: Client, format_: str, media_type: str) -> None:
    response = client.get("/api/schema", {"format": format_})

    assert (response.status_code, response.headers["Content-Type"].split(";")[0]) == (200, media_type)


def test_every_call_of_the_contract_is_shown(raw: dict[str, Any]) -> None:
    shown = {(method.upper(), path) for path, operations in raw["paths"].items() for method in operations}

    assert {tuple(call.split()) for call in CALLS.strip().splitlines()} <= shown


def test_no_address_is_shown_with_a_slash_at_its_end(raw: dict[str, Any]) -> None:
    assert not [path for path in raw["paths"] if path.endswith("/")]


def test_each_success_is_shown_with_an_answer_that_fits_its_schema(raw: dict[str, Any]) -> None:
    shown = set()
    for path, operations in raw["paths"].items():
        for method, operation in operations.items():
            for status, content in json_successes(operation):
                # A view that shows several answers names them itself.
                answers = [each["value"] for each in content.get("examples", {}).values()]
                if not answers:
                    shown.add(f"{operation['operationId']}.json")
                    answers = [content["example"]]
                for answer in answers:
                    hold_against_schema(method.upper(), path, int(status), json.dumps(answer).encode())

    assert shown == {file.name for file in EXAMPLES.iterdir()}


def test_answers_of_the_subscription_group_are_shown_in_their_envelope(raw: dict[str, Any]) -> None:
    envelope = success(raw, "/api/subscription/pricing")

    assert envelope["required"] == ["success", "data"]
    assert envelope["properties"]["data"] == {"$ref": "#/components/schemas/Pricing"}


@pytest.mark.parametrize(
    ("path", "component"),
    [("/api/subscription/usage-logs", "LogPage"), ("/api/usage/current", "CurrentUsage")],
)
def test_bare_answers_are_shown_without_it(raw: dict[str, Any], path: str, component: str) -> None:
    assert success(raw, path) == {"$ref": f"#/components/schemas/{component}"}


@pytest.mark.parametrize(
    ("path", "media_type", "component"),
    [
        ("/api/subscription/usage-logs", "application/json", "Failure"),
        ("/api/usage/current", "application/problem+json", "Problem"),
    ],
)
def test_errors_are_shown_in_the_form_of_their_group(
    raw: dict[str, Any], path: str, media_type: str, component: str
) -> None:
    responses = raw["paths"][path]["get"]["responses"]

    for status in ("400", "401", "403", "404", "default"):
        assert responses[status]["content"] == {
            media_type: {"schema": {"$ref": f"#/components/schemas/{component}"}}
        }


@pytest.mark.parametrize(
    "struct",
    [
        UsageEvent, UsageData, Units, Tags, ReportedCost,
        AuthorizationRequest, Operation, Authorized, Decision, LimitStanding, Held,
        SettlementRequest, CallQuantities, Settled, ExtensionRequest, AuthorizationStanding,
    ],
)  # fmt: skip
def test_a_struct_is_shown_with_every_field_it_has(raw: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    shown = raw["components"]["schemas"][struct.__name__]["properties"]

    assert shown.keys() == {field.encode_name for field in msgspec.structs.fields(struct)}


def test_events_are_taken_in_all_three_forms(raw: dict[str, Any]) -> None:
    content = raw["paths"]["/api/usage/events"]["post"]["requestBody"]["content"]

    assert content.keys() == {
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/json",
    }


@pytest.mark.browser
def test_the_documentation_shows_every_endpoint_and_asks_nobody_else(
    live_server: LiveServer, chromium: str, raw: dict[str, Any]
) -> None:
    asked: list[str] = []
    told: list[tuple[str, str]] = []
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium) as browser:
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: told.append((message.type, message.text)))
        page.goto(f"{live_server.url}/docs")
        page.wait_for_selector(".opblock-summary-path")
        shown = page.locator(".opblock-summary-path").evaluate_all(
            "paths => paths.map(path => path.dataset.path)"
        )

    assert set(shown) == set(raw["paths"])
    # Content-Security-Policy violations are told on the console.
    assert [text for kind, text in told if kind == "error"] == []
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
