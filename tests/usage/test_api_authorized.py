"""/api/usage/authorizations/{id}: what becomes of a permission."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
import time_machine

from tests.support.authorization_requests import URL, an_operation, granted
from tests.support.authorizing import a_limit, counters, limit
from tests.support.cast import NOW, a_member, an_account
from tests.support.credentials import a_key
from tests.support.posting import look, post
from tests.support.recording import prepare
from usage.models import Account, Authorization, Hold, Scope

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


class TestSettling:
    def test_what_was_consumed_is_recorded_and_the_surplus_returned(self, key: str) -> None:
        limit(a_limit("1", "cost"))
        named = granted(key).body["id"]

        body = post(
            f"{URL}/{named}/settle", {"quantities": {"input_tokens": 1000, "output_tokens": 40}}, key=key
        ).body

        assert body == {
            "id": named,
            "state": "settled",
            "cost": "0.0029",
            "currency": "USD",
            "overrun": False,
            "event": {"source": "authorization", "id": named},
        }
        assert not Hold.objects.exists()

    def test_a_second_settle_answers_as_the_first_did(self, key: str) -> None:
        named = granted(key).body["id"]
        first, again = (
            post(f"{URL}/{named}/settle", {"quantities": {"output_tokens": 40}}, key=key) for _ in range(2)
        )

        assert (first.status, first.content) == (again.status, again.content)
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"

    def test_another_settle_of_the_same_call_is_a_conflict(self, key: str) -> None:
        named = granted(key).body["id"]
        post(f"{URL}/{named}/settle", {"quantities": {"output_tokens": 40}}, key=key)

        answer = post(f"{URL}/{named}/settle", {"quantities": {"output_tokens": 41}}, key=key)

        assert (answer.status, answer.body["code"]) == (422, "event_conflict")

    def test_the_calls_of_a_workflow_are_told_apart_by_the_header(self, key: str) -> None:
        named = granted(key, an_operation(calls=2)).body["id"]
        quantities = {"quantities": {"input_tokens": 10}}
        answers = [
            post(f"{URL}/{named}/settle", quantities, key=key, idempotency_key=call)
            for call in ("1", "2", "2")
        ]

        assert [answer.body["state"] for answer in answers] == ["open", "settled", "settled"]
        assert answers[1].content == answers[2].content

    @pytest.mark.parametrize(
        ("body", "status", "code", "pointer"),
        [
            ({}, 400, "invalid_request", "/quantities"),
            ({"quantities": {"tokens": 1}}, 400, "invalid_request", "/quantities/tokens"),
            ({"quantities": {"input_tokens": "1"}}, 400, "invalid_request", "/quantities/input_tokens"),
            ({"quantities": {}, "status_code": 99}, 400, "invalid_request", "/status_code"),
            ({"quantities": {}, "id": "other"}, 400, "invalid_request", "/id"),
            ({"quantities": {}}, 422, "quantities_missing", "/quantities"),
            (
                {"quantities": {"input_tokens": 1, "cached_input_tokens": 2}},
                422,
                "quantities_impossible",
                "/quantities/cached_input_tokens",
            ),
            (
                {"quantities": {"output_tokens": 1}, "provider": "nobody"},
                422,
                "provider_unknown",
                "/provider",
            ),
            ({"quantities": {"output_tokens": 1}, "model": "gpt-x"}, 422, "price_unknown", "/model"),
            (
                {"quantities": {"output_tokens": 1}, "time": (NOW + timedelta(hours=1)).isoformat()},
                422,
                "time_in_future",
                "/time",
            ),
            ({"quantities": {}, "cost": {"source": "provider"}}, 422, "cost_missing", "/cost/amount"),
        ],
    )
    def test_a_wrong_settle_is_told_where_and_leaves_the_hold(
        self, key: str, body: Any, status: int, code: str, pointer: str
    ) -> None:
        named = granted(key).body["id"]

        answer = post(f"{URL}/{named}/settle", body, key=key)

        assert (answer.status, answer.body["code"], answer.body["pointer"]) == (status, code, pointer)
        assert Authorization.objects.get().state == "open"


class TestExtendingAndReleasing:
    def test_the_deadline_moves(self, key: str, clock: time_machine.Traveller) -> None:
        named = granted(key).body["id"]
        clock.shift(60)

        body = post(f"{URL}/{named}/extend", {"expires_in": 1200}, key=key).body

        assert body["hold"]["expires_at"] == "2026-03-15T12:21:00Z"
        assert Hold.objects.get().expires_at == NOW + timedelta(seconds=1260)

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [({}, "/expires_in"), ({"expires_in": 0}, "/expires_in"), ({"expires_in": 60, "x": 1}, "/x")],
    )
    def test_a_wrong_deadline_is_told_where(self, key: str, body: Any, pointer: str) -> None:
        answer = post(f"{URL}/{granted(key).body['id']}/extend", body, key=key)

        assert (answer.status, answer.body["pointer"]) == (400, pointer)

    def test_a_release_gives_back_and_may_be_repeated(self, key: str) -> None:
        limit(a_limit(5))
        named = granted(key).body["id"]

        first, again = (post(f"{URL}/{named}/release", key=key) for _ in range(2))

        assert first.body["state"] == again.body["state"] == "released"
        assert first.body["hold"]["amounts"] == {}
        assert counters("everything_calls_period") == (0, 0)

    def test_what_is_settled_is_neither_extended_nor_released(self, key: str) -> None:
        named = granted(key).body["id"]
        post(f"{URL}/{named}/settle", {"quantities": {"output_tokens": 1}}, key=key)

        for change, body in (("release", None), ("extend", {"expires_in": 60})):
            answer = post(f"{URL}/{named}/{change}", body, key=key)
            assert (answer.status, answer.body["code"]) == (409, "authorization_closed")
            assert answer.body["state"] == "settled"

    def test_what_is_past_its_deadline_cannot_be_extended(
        self, key: str, clock: time_machine.Traveller
    ) -> None:
        named = granted(key).body["id"]
        clock.shift(601)

        answer = post(f"{URL}/{named}/extend", {"expires_in": 60}, key=key)

        assert (answer.status, answer.body["state"]) == (409, "expired")
        assert look(f"{URL}/{named}", key=key).body["state"] == "expired"


class TestLooking:
    def test_an_authorization_is_shown_with_what_it_still_holds(self, key: str) -> None:
        named = granted(key, an_operation(calls=2), an_operation(provider="tavily", model="")).body["id"]
        call = {"id": "1", "provider": "openai", "quantities": {"input_tokens": 1000}}
        assert post(f"{URL}/{named}/settle", call, key=key).status == 200

        assert look(f"{URL}/{named}", key=key).body == {
            "id": named,
            "state": "open",
            "hold": {
                "state": "open",
                "expires_at": "2026-03-15T12:10:00Z",
                # 2 × 0.0035 less 0.0025 used, and a search of 0.001; 2 × 1100 less 1000, and 1100 of tavily's
                "amounts": {"calls": "2", "tokens": "2300", "cost": "0.0055", "searches": "1"},
            },
            "settled": {"calls": 1, "cost": "0.0025"},
            "currency": "USD",
            "overrun": False,
            "created_at": "2026-03-15T12:00:00Z",
            "closed_at": None,
        }

    def test_a_member_of_the_account_may_look(self, acme: Account, key: str) -> None:
        named = granted(key).body["id"]

        assert look(f"{URL}/{named}", user=a_member(acme)).status == 200


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ("settle", {"quantities": {"output_tokens": 1}}),
        ("extend", {"expires_in": 60}),
        ("release", None),
        ("", None),
    ],
)
def test_a_strangers_authorization_is_as_unknown_as_one_that_is_not(
    key: str, strangers_key: str, change: str, body: Any
) -> None:
    named = granted(key).body["id"]
    nobodys = named[:-1] + ("0" if named[-1] != "0" else "1")

    for unknown in (named, nobodys, "not-an-id", "%00"):
        address = f"{URL}/{unknown}/{change}".rstrip("/")
        answer = post(address, body, key=strangers_key) if change else look(address, key=strangers_key)
        assert (answer.status, answer.body["code"]) == (404, "authorization_unknown")
        assert answer.error == (
            f"There is no authorization {unquote(unknown)!r} that this credential reaches."
        )
    assert Authorization.objects.get().state == "open"


def test_a_service_key_reaches_every_accounts_authorizations(key: str, service_key: str) -> None:
    named = granted(key).body["id"]

    assert post(f"{URL}/{named}/release", key=service_key).status == 200
