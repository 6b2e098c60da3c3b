"""GET /api/usage/limits"""

from collections.abc import Iterator

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from tests.support.authorizing import a_limit, ask, limit
from tests.support.cast import NOW, a_member, a_user, an_account, an_event
from tests.support.credentials import a_key
from tests.support.posting import look
from tests.support.recording import prepare, record
from usage.models import Account, LimitSource, Scope

LIMITS = "/api/usage/limits"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield Account.objects.get(external_id="acme")


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme).plain


def test_a_limit_is_told_with_all_that_counts_against_it(key: str) -> None:
    limit(a_limit("1", "cost", scope="provider", value="openai", name="openai_cost"))
    record(an_event())
    ask()

    assert look(LIMITS, key=key).body == {
        "account": "acme",
        "as_of": "2026-03-15T12:00:00Z",
        "currency": "USD",
        "paused_reason": None,
        "limits": [
            {
                "name": "openai_cost",
                "measure": "cost",
                "scope": "provider:openai",
                "window": "period",
                "mode": "block",
                "source": "plan",
                "limit": "1",
                "used": "0.0035",
                "held": "0.0035",
                "remaining": "0.993",
                "resets_at": "2026-04-01T00:00:00Z",
            }
        ],
    }


def test_unlimited_and_none_are_told_apart(key: str) -> None:
    limit(a_limit(None), a_limit(0, "images"))

    unlimited, none = look(LIMITS, key=key).body["limits"]

    assert (unlimited["limit"], unlimited["remaining"]) == (None, None)
    assert (none["limit"], none["remaining"]) == ("0", "0")


def test_every_source_is_told(key: str) -> None:
    for source in LimitSource:
        limit(a_limit(5), source=source)

    told = look(LIMITS, key=key).body["limits"]

    assert [each["source"] for each in told] == ["plan", "budget", "override"]


def test_a_slot_resets_at_no_moment(key: str) -> None:
    limit(a_limit(2, window="concurrent"))

    (told,) = look(LIMITS, key=key).body["limits"]

    assert told["resets_at"] is None


def test_a_paused_account_is_told_why(acme: Account) -> None:
    Account.objects.update(paused_reason="The last invoice is unpaid.")

    assert look(LIMITS, key=a_key(acme).plain).body["paused_reason"] == "The last invoice is unpaid."


def test_the_rate_limit_fields_tell_the_strictest_of_those_that_refuse(key: str) -> None:
    limit(a_limit(100, name="calls"), a_limit(7, window="minute", name="rpm"), a_limit("1", "cost"))
    limit(a_limit(40, name="calls"), source=LimitSource.BUDGET)
    record(an_event())

    headers = look(LIMITS, key=key).headers

    assert headers["ratelimit-policy"] == '"calls";q=40, "rpm";q=7;w=60'
    assert headers["ratelimit"] == '"calls";r=39;t=1425600, "rpm";r=6;t=60'


def test_without_limits_there_are_no_such_fields(key: str) -> None:
    assert "ratelimit" not in look(LIMITS, key=key).headers


class TestAccess:
    def test_a_member_reads_the_accounts(self, acme: Account) -> None:
        assert look(LIMITS, user=a_member(acme)).status == 200

    def test_a_stranger_is_refused_whether_the_account_exists_or_not(self) -> None:
        mallory = a_member(an_account("globex"), username="mallory")

        existing, missing = (look(f"{LIMITS}?user_id={name}", user=mallory) for name in ("acme", "nobody"))
        assert existing.status == missing.status == 403
        assert existing.body == missing.body

    def test_staff_may_name_any_account(self) -> None:
        staff = a_user("staff", is_staff=True)

        assert look(f"{LIMITS}?user_id=acme", user=staff).body["account"] == "acme"

    def test_a_key_that_only_sends_usage_reads_none(self, acme: Account) -> None:
        assert look(LIMITS, key=a_key(acme, scopes=(Scope.INGEST,)).plain).status == 403

    def test_without_a_credential_nothing_is_shown(self) -> None:
        assert look(LIMITS).status == 401


def test_it_takes_two_queries(key: str, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    limit(a_limit(5), a_limit("1", "cost"))
    look(LIMITS, key=key)

    # The key, and all limits.
    with django_assert_num_queries(2):
        assert look(LIMITS, key=key).status == 200
