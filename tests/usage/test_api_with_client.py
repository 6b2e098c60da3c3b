"""The metering client and the API understand each other, over a real socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from tests.support.authorizing import a_limit, an_operation, limit
from tests.support.cast import an_event
from tests.support.credentials import a_key
from tests.support.recording import prepare, the_row
from usage.core.errors import AccessDenied, PricingException, UsageLimitExceededException
from usage.metering.http_api import MeteringApi
from usage.metering.protocol import Grant, Intent
from usage.metering.remote import RemoteMeter
from usage.models import Account, Authorization, Scope
from usage.operations import AuthorizationRequest, Operation

PATIENT_S = 20.0
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def meter(live_server: LiveServer, tmp_path: Path) -> Iterator[RemoteMeter]:
    prepare()
    key = a_key(Account.objects.get(), scopes=(Scope.INGEST,)).plain
    with RemoteMeter(live_server.url, key, spool=tmp_path / "spool", timeout_s=PATIENT_S) as meter:
        yield meter


def ask(meter: RemoteMeter, *operations: Operation, customer: str = "acme") -> Grant:
    return meter.authorize(Intent(customer=customer, operations=operations or (an_operation(),)))


def test_a_call_is_granted_and_settled(meter: RemoteMeter) -> None:
    granted = ask(meter)
    meter.settle(an_event("e1", at=timezone.now(), authorization=granted.authorization))

    assert meter.close(PATIENT_S)
    assert granted.output_caps == (100,)
    assert Authorization.objects.get().state == "settled"
    assert the_row().authorization == granted.authorization


def test_a_grant_is_given_back(meter: RemoteMeter) -> None:
    granted = ask(meter)
    meter.release(granted)
    assert meter.close(PATIENT_S)

    assert Authorization.objects.get().state == "released"


def test_a_refusal_arrives_with_its_decision_and_hint(meter: RemoteMeter) -> None:
    limit(a_limit(0, name="calls"), at=timezone.now())

    with pytest.raises(UsageLimitExceededException) as refused:
        ask(meter)

    assert (refused.value.status, refused.value.error_code) == (402, "not_included")
    assert refused.value.details["decision"]["limits"][0]["name"] == "calls"
    assert refused.value.hint == "A larger plan raises this limit."


def test_what_is_wrong_arrives_as_the_error_it_is(meter: RemoteMeter) -> None:
    with pytest.raises(PricingException, match="gpt-x"):
        ask(meter, Operation(provider="openai", model="gpt-x"))
    with pytest.raises(AccessDenied):
        ask(meter, customer="globex")


def test_a_repeated_question_is_answered_alike(live_server: LiveServer) -> None:
    prepare()
    key = a_key(scopes=(Scope.INGEST,)).plain
    api = MeteringApi(live_server.url, key, timeout_s=PATIENT_S)
    request = AuthorizationRequest(customer="acme", operations=[an_operation()])
    try:
        granted = [api.authorize(request, key="k1") for _ in range(2)]
    finally:
        api.close()

    assert granted[0] == granted[1]
    assert Authorization.objects.count() == 1
