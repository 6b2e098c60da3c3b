"""Who may read what an account costs, by every address that tells of it, and what is asked wrongly."""

from collections.abc import Iterator

import pytest
import time_machine

from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.credentials import a_key
from tests.support.posting import look
from usage.models import Account, Role, Scope

DASHBOARD = "/api/subscription/dashboard/{}"
OVER_TIME = [
    "/api/billing/costs/analytics?user_id={}",
    "/api/billing/allocation?user_id={}",
    "/api/billing/audit?user_id={}",
]
EVERY = [DASHBOARD, "/api/billing/costs?user_id={}", *OVER_TIME]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        yield an_account("acme")


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


@pytest.mark.parametrize("address", EVERY[1:])
def test_without_a_name_the_account_is_the_credentials_own(acme: Account, address: str) -> None:
    own, named = (
        look(asked, key=a_key(acme).plain) for asked in (address.split("?")[0], address.format("acme"))
    )

    assert own.status == 200
    assert own.body == named.body


@pytest.mark.parametrize("address", OVER_TIME)
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("from=soon", "from: Write an ISO 8601 instant"),
        ("to=2026-02-30", "to: Write an ISO 8601 instant"),
        ("from=1999-12-31", "from: Choose an instant in the years 2000 to 2099."),
        ("to=2100-01-01", "to: Choose an instant in the years 2000 to 2099."),
        ("from=2026-03-02&to=2026-03-02", "from: Choose an instant before to"),
        ("from=2026-03-16", "from: Choose an instant before to"),
    ],
)
def test_a_wrong_span_is_named(acme: Account, address: str, wrong: str, told: str) -> None:
    answer = look(f"{address.format('acme')}&{wrong}", user=a_member(acme))

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert answer.error.startswith(told)


def test_the_slash_at_the_end_is_optional_under_subscription(acme: Account) -> None:
    key = a_key(acme).plain

    without, with_slash = (look(DASHBOARD.format("acme") + end, key=key) for end in ("", "/"))
    assert without.status == 200
    assert with_slash.body == without.body
