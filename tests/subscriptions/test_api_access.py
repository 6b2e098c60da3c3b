"""Who may read what about an account's subscription, by every address that tells of it."""

import pytest

from tests.support.cast import a_member, a_user, an_account
from tests.support.credentials import a_key
from tests.support.posting import look
from tests.support.subscribing import a_plan, subscribe
from usage.models import Account, Role, Scope

BILLING = "/api/billing/subscription"
LEGACY = [
    "/api/subscription/user/{}/subscription",
    "/api/subscription/status/{}",
    "/api/subscription/renewal-history/{}",
]
EVERY = [*LEGACY, BILLING + "?user_id={}"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Account:
    return subscribe(a_plan()).account


@pytest.mark.parametrize("address", EVERY)
@pytest.mark.parametrize("role", Role)
def test_every_member_reads_the_accounts(acme: Account, address: str, role: Role) -> None:
    assert look(address.format("acme"), user=a_member(acme, role=role)).status == 200


@pytest.mark.parametrize("address", EVERY)
def test_a_stranger_is_refused_whether_the_account_exists_or_not(address: str) -> None:
    mallory = a_member(an_account("globex"), username="mallory")

    existing, missing = (look(address.format(name), user=mallory) for name in ("acme", "nobody"))
    assert existing.status == missing.status == 403
    assert existing.body == missing.body


@pytest.mark.parametrize("address", EVERY)
def test_staff_and_service_keys_read_any_account(address: str) -> None:
    staff, service = a_user("staff", is_staff=True), a_key().plain

    for credential in ({"user": staff}, {"key": service}):
        assert look(address.format("acme"), **credential).status == 200  # type: ignore[arg-type]
        assert look(address.format("nobody"), **credential).status == 404  # type: ignore[arg-type]


@pytest.mark.parametrize("address", EVERY)
def test_a_key_that_only_sends_usage_reads_nothing(acme: Account, address: str) -> None:
    assert look(address.format("acme"), key=a_key(acme, scopes=(Scope.INGEST,)).plain).status == 403


@pytest.mark.parametrize("address", EVERY)
def test_without_a_credential_nothing_is_told(address: str) -> None:
    assert look(address.format("acme")).status == 401


@pytest.mark.parametrize("address", LEGACY)
def test_the_slash_at_the_end_is_optional(acme: Account, address: str) -> None:
    key = a_key(acme).plain

    without, with_slash = (look(address.format("acme") + end, key=key) for end in ("", "/"))
    assert without.status == 200
    assert with_slash.body == without.body


def test_the_account_is_the_credentials_own(acme: Account) -> None:
    assert look(BILLING, key=a_key(acme).plain).body["account"] == "acme"


def test_a_service_key_says_which_account() -> None:
    answer = look(BILLING, key=a_key().plain)

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert "user_id" in answer.error
