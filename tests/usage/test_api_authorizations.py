"""/api/usage/authorizations as a server asks for permission."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.support.authorization_requests import URL, a_request, an_operation, granted
from tests.support.authorizing import a_limit, counters, limit
from tests.support.cast import NOW, a_member, an_account
from tests.support.credentials import a_key
from tests.support.posting import post
from tests.support.recording import prepare
from usage.api.authorizations import MAX_BODY_BYTES
from usage.models import Account, Authorization, Scope
from usage.operations import AuthorizationRequest

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as coordinates:
        yield coordinates


@pytest.fixture(autouse=True)
def acme(clock: object) -> Account:
    prepare()
    return Account.objects.get(external_id="acme")


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme, scopes=(Scope.INGEST,)).plain


@pytest.fixture
def service_key(acme: Account) -> str:
    return a_key(scopes=(Scope.INGEST,)).plain


@pytest.fixture
def strangers_key(acme: Account) -> str:
    return a_key(an_account("globex"), scopes=(Scope.INGEST, Scope.READ)).plain


class TestAsking:
    def test_a_grant_names_its_id_the_decision_and_what_is_held(self, key: str) -> None:
        limit(a_limit(5), a_limit("1", "cost"))

        body = granted(key).body

        assert Authorization.objects.get().pk.hex == body["id"].replace("-", "")
        assert body["hold"] == {
            "state": "open",
            "expires_at": "2026-03-15T12:10:00Z",
            "amounts": {"calls": "1", "tokens": "1100", "cost": "0.0035"},
        }
        assert body["decision"]["allowed"] is True
        assert body["decision"]["operations"][0]["max_output_tokens"] == 100
        assert [one["remaining"] for one in body["decision"]["limits"]] == ["5", "1"]

    def test_the_deadline_may_be_asked_for(self, key: str) -> None:
        answer = post(URL, a_request(expires_in=30), key=key)

        assert answer.body["hold"]["expires_at"] == "2026-03-15T12:00:30Z"

    def test_a_limit_that_resets_is_429_with_the_moment(self, key: str) -> None:
        limit(a_limit(1, window="minute", name="rpm"))
        granted(key)

        answer = post(URL, a_request(), key=key)

        assert (answer.status, answer.body["code"]) == (429, "limit_exceeded")
        # The minute's one call counts on until the next minute has passed as well.
        assert answer.headers["retry-after"] == str(answer.body["retry_after"]) == "120"
        assert answer.headers["ratelimit"] == '"rpm";r=0;t=120'
        assert answer.headers["ratelimit-policy"] == '"rpm";q=1;w=60'
        (told,) = answer.body["decision"]["limits"]
        assert (told["name"], told["refused"], told["remaining"]) == ("rpm", True, "0")

    def test_what_only_a_person_can_change_is_402_with_a_hint(self, key: str) -> None:
        limit(a_limit(0, scope="provider", value="openai", name="openai_calls"))

        answer = post(URL, a_request(), key=key)

        assert (answer.status, answer.body["code"]) == (402, "not_included")
        assert answer.body["hint"] == "A larger plan raises this limit."
        assert "retry-after" not in answer.headers
        assert not Authorization.objects.exists()

    def test_a_paused_account_is_told_why(self, key: str) -> None:
        Account.objects.update(paused_reason="The last invoice is unpaid.")

        answer = post(URL, a_request(), key=key)

        assert (answer.status, answer.body["code"]) == (402, "account_paused")
        assert "The last invoice is unpaid." in answer.error

    def test_what_is_left_after_the_grant_is_told(self, key: str) -> None:
        limit(
            a_limit(5, name="calls"),
            a_limit(1_500, "tokens", name="tokens"),
            a_limit("1", "cost"),
            a_limit(1, window="day", mode="notify"),
            a_limit(None, "searches"),
        )

        headers = granted(key).headers

        # The period ends with March, in 16.5 days.
        assert headers["ratelimit"] == '"calls";r=4;t=1425600, "tokens";r=400;t=1425600'
        assert headers["ratelimit-policy"] == '"calls";q=5, "tokens";q=1500'

    def test_without_limits_no_rate_limit_is_told(self, key: str) -> None:
        assert "ratelimit" not in granted(key).headers

    def test_the_same_key_is_answered_alike_and_held_once(self, key: str) -> None:
        limit(a_limit(5))
        first, again = (post(URL, a_request(), key=key, idempotency_key="k1") for _ in range(2))

        assert (first.status, first.content) == (again.status, again.content)
        assert counters("everything_calls_period") == (0, 1)

    def test_the_same_key_with_another_request_is_refused(self, key: str) -> None:
        post(URL, a_request(), key=key, idempotency_key="k1")

        answer = post(URL, a_request(an_operation(input_tokens=1)), key=key, idempotency_key="k1")

        assert (answer.status, answer.body["code"]) == (422, "idempotency_key_reused")

    @pytest.mark.parametrize(
        ("operation", "code", "pointer"),
        [
            ({"provider": "nobody"}, "provider_unknown", "/operations/1/provider"),
            ({"provider": "openai", "model": "gpt-x"}, "price_unknown", "/operations/1/model"),
        ],
    )
    def test_what_has_no_price_is_422(
        self, key: str, operation: dict[str, Any], code: str, pointer: str
    ) -> None:
        answer = post(URL, a_request(an_operation(), operation), key=key)

        assert (answer.status, answer.body["code"], answer.body["pointer"]) == (422, code, pointer)
        assert not Authorization.objects.exists()

    @pytest.mark.parametrize(
        ("body", "code", "pointer"),
        [
            (b"", "json_invalid", None),
            (b"{", "json_invalid", None),
            (b'{"operations": [{"provider": "\xff"}]}', "json_invalid", None),
            ([], "invalid_request", ""),
            ({}, "invalid_request", "/operations"),
            ({"operations": []}, "invalid_request", "/operations"),
            (a_request(an_operation(), {}), "invalid_request", "/operations/1/provider"),
            (a_request(an_operation(modle="x")), "invalid_request", "/operations/0/modle"),
            (a_request(an_operation(units={"pages": -1})), "invalid_request", "/operations/0/units/pages"),
            (a_request(an_operation(input_tokens=0.5)), "invalid_request", "/operations/0/input_tokens"),
            (a_request(an_operation(calls=0)), "invalid_request", "/operations/0/calls"),
            (a_request(*[an_operation()] * 101), "invalid_request", "/operations"),
            (a_request(expires_in=0), "invalid_request", "/expires_in"),
            (a_request(expires_in=86_401), "invalid_request", "/expires_in"),
            (a_request(an_operation(tags={"team": "a\x00b"})), "text_invalid", None),
        ],
    )
    def test_a_wrong_body_is_told_where(self, key: str, body: Any, code: str, pointer: str | None) -> None:
        answer = post(URL, body, key=key)

        assert (answer.status, answer.body["code"]) == (400, code)
        assert answer.body.get("pointer") == pointer
        assert pointer is None or pointer in answer.error

    def test_a_backslash_before_the_digits_of_nul_is_only_text(self, key: str) -> None:
        granted(key, an_operation(tags={"team": "\\u0000"}))

    def test_a_body_beyond_its_bound_is_413(self, key: str) -> None:
        assert post(URL, b" " * (MAX_BODY_BYTES + 1), key=key).status == 413

    @pytest.mark.parametrize("wrong", ["x" * 129, "a\tb"])
    def test_a_wrong_idempotency_key_is_named(self, key: str, wrong: str) -> None:
        answer = post(URL, a_request(), key=key, idempotency_key=wrong)

        assert answer.status == 400
        assert "Idempotency-Key" in answer.error

    def test_the_longest_request_fits(self, key: str) -> None:
        tags = dict.fromkeys(("team", "project", "department"), "é" * 128)
        longest = an_operation(endpoint="/" * 200, request_type="é" * 64, tags=tags)
        assert len(granted(key, *[longest] * 100).body["decision"]["operations"]) == 100

    def test_a_database_that_is_away_is_503(self, key: str) -> None:
        try:
            other = connection.copy()
            with connection.cursor() as cursor, other.cursor() as killer:
                cursor.execute("SELECT pg_backend_pid()")
                killer.execute("SELECT pg_terminate_backend(%s)", cursor.fetchone())
            other.close()
            answer = post(URL, a_request(), key=key)
        finally:
            connection.close()

        assert (answer.status, answer.body["code"]) == (503, "database_unavailable")
        assert answer.headers["retry-after"] == "5"


class TestWhoMayAsk:
    def test_an_accounts_key_asks_for_its_own_account(self, key: str) -> None:
        assert post(URL, a_request(customer="acme"), key=key).status == 201
        assert post(URL, a_request(customer=""), key=key).status == 201

    def test_a_stranger_is_refused_whether_the_account_exists_or_not(self, strangers_key: str) -> None:
        existing, missing = (
            post(URL, a_request(customer=name), key=strangers_key) for name in ("acme", "nobody")
        )

        assert existing.status == missing.status == 403
        assert existing.body == missing.body
        assert not Authorization.objects.exists()

    def test_a_service_key_says_whose_call_it_is(self, service_key: str) -> None:
        assert post(URL, a_request(customer="acme"), key=service_key).status == 201
        assert post(URL, a_request(), key=service_key).status == 400

    @pytest.mark.parametrize("name", ["nobody", "Acme"])
    def test_a_service_key_is_told_of_an_unknown_customer(self, service_key: str, name: str) -> None:
        answer = post(URL, a_request(customer=name), key=service_key)

        assert (answer.status, answer.body["code"]) == (404, "account_unknown")

    def test_a_key_that_only_reads_may_not_ask(self, acme: Account) -> None:
        answer = post(URL, a_request(), key=a_key(acme, scopes=(Scope.READ,)).plain)

        assert (answer.status, answer.body["required_scope"]) == (403, "ingest")

    def test_a_logged_in_member_may_not_ask(self, acme: Account) -> None:
        assert post(URL, a_request(), user=a_member(acme)).status == 403

    def test_without_a_key_nobody_asks(self) -> None:
        assert post(URL, a_request()).status == 401

    def test_only_post_is_answered(self, key: str) -> None:
        response = Client(headers={"X-API-Key": key}).get(URL)

        assert (response.status_code, response["Allow"]) == (405, "POST")


@pytest.mark.parametrize("fields", [{"customer": "acme"}, {}])
def test_a_grant_takes_two_queries(
    acme: Account, fields: dict[str, str], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    limit(a_limit(50))
    key = a_key(None if fields else acme, scopes=(Scope.INGEST,)).plain
    post(URL, a_request(**fields), key=key)  # the first use of a key is noted, the prices are loaded

    # The key, and the function that grants.
    with django_assert_num_queries(2):
        answer = post(URL, a_request(**fields), key=key)
    assert answer.status == 201


def test_the_metering_client_and_the_server_share_the_request() -> None:
    assert {*a_request(an_operation(), customer="", expires_in=1)} == {
        *AuthorizationRequest.__struct_fields__
    }
