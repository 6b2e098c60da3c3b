"""The whole API answers as its schema says, whatever it is asked, with a key and without any.

Every operation of the schema is sent requests that schemathesis makes up: ones that fit, ones that do not,
and ones about an account that has something of everything. None may be answered with a 500, or with a status,
media type or body that the schema does not announce. They are the same few in every run; for more of them:
`SCHEMA_EXAMPLES=500 make test ARGS=tests/alwrity_billing/test_api_conformance.py`.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy, one_of
from schemathesis import CheckFunction, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.alerting import a_delivery, an_alert
from tests.support.authorizing import an_operation
from tests.support.cast import an_account
from tests.support.channel_kinds import a_pigeon
from tests.support.contract import published_schema
from tests.support.credentials import a_key
from tests.support.invoicing import start_invoice
from tests.support.subscribing import a_plan, subscribe
from tests.support.usage_rows import a_log_row, a_price, a_rollup, a_summary
from usage import authorization
from usage.models import Account, Scope

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "6"))
EXAMPLES_WITHOUT_KEY = max(1, EXAMPLES // 6)
# No 500, and nothing the schema does not announce.
ANNOUNCED: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    pytest.param(path, method.upper(), id=f"{method.upper()} {path}")
    for path, operations in published_schema().raw_schema["paths"].items()
    for method in operations
]
FOR_EVERYBODY = "/api/subscription/plans"
AT_STRIPE = [
    "/api/billing/payment-method",
    "/api/subscription/create-checkout-session",
    "/api/subscription/create-portal-session",
]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kept_connection")]


@pytest.fixture
def kept_connection(db: None) -> Iterator[None]:
    """The end of a served request would close the connection, and with it the test's transaction."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def known(pigeons: None) -> Mapping[str, Any]:
    """Acme with something of everything: the ids by which paths name it."""
    account = subscribe(a_plan(), account=an_account("acme")).account
    period = account.billing_periods.get()
    a_price()
    a_summary(period)
    a_rollup(account)
    a_log_row(period)
    alert, pigeon = an_alert(account), a_pigeon(account)
    granted = authorization.authorize([an_operation(calls=1000)], customer="acme", at=timezone.now())
    return {
        "user_id": "acme",
        "invoice_id": start_invoice(account.subscription).number,
        "alert_id": alert.pk,
        "channel_id": pigeon.pk,
        "delivery_id": str(a_delivery(alert, pigeon).pk),
        "authorization_id": granted.id,
    }


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_it_answers_as_announced_and_tells_nothing_without_a_key(
    path: str, method: str, known: Mapping[str, Any], request: pytest.FixtureRequest
) -> None:
    if path in AT_STRIPE:
        request.getfixturevalue("at_stripe")
    key = a_key(Account.objects.get(), scopes=tuple(Scope)).plain

    for asked in made_up(published_schema()[path][method], known):
        refused = answered_as_announced(asked, headers={}, examples=EXAMPLES_WITHOUT_KEY)
        answered_as_announced(asked, headers={"X-API-Key": key}, examples=EXAMPLES)
        assert path == FOR_EVERYBODY or min(refused) >= 400


def made_up(operation: Any, known: Mapping[str, Any]) -> Iterator[SearchStrategy[Any]]:
    """Requests that fit the schema and ones that do not, about anything and about acme."""
    named = {name: value for name, value in known.items() if f"{{{name}}}" in operation.path}
    # What takes nothing cannot be asked wrongly.
    takes_nothing = not operation.definition.raw.keys() & {"parameters", "requestBody"}
    for mode in [GenerationMode.POSITIVE] if takes_nothing else GenerationMode:
        anything = operation.as_strategy(generation_mode=mode)
        acme = operation.as_strategy(generation_mode=mode, path_parameters=named or None, query={})
        yield one_of(anything, acme)


def answered_as_announced(
    requests: SearchStrategy[Any], *, headers: Mapping[str, str], examples: int
) -> list[int]:
    """Send made-up requests; fails at the first answer that is not announced. Returns their statuses."""
    statuses: list[int] = []

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests)
    def send(case: Any) -> None:
        # Credentials are made up as well, and one request may carry only one.
        case.headers = dict(headers)
        case.cookies = {}
        statuses.append(case.call_and_validate(checks=ANNOUNCED).status_code)

    send()
    return statuses
