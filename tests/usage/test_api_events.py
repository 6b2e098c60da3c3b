"""POST /api/usage/events as a server sends it."""

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client

from tests.support.cast import NOW, a_member, an_account
from tests.support.credentials import a_key
from tests.support.ledger import assert_nothing_recorded
from tests.support.prices import an_entry, load
from usage.models import Account, APIUsageLog, Scope

URL = "/api/usage/events"
TOKENS = "gen_ai.usage.input_tokens"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Account:
    load(an_entry(model="gpt-4o"))
    return an_account("acme")


@pytest.fixture(autouse=True)
def _clock() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def service_key() -> str:
    return a_key(scopes=(Scope.INGEST,)).plain


def data(**changes: Any) -> dict[str, Any]:
    return {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        **changes,
    }


def an_event(event_id: str = "e1", **changes: Any) -> dict[str, Any]:
    return {"id": event_id, "source": "app", "subject": "acme", "data": data(), **changes}


def reported(amount: Any) -> dict[str, Any]:
    return {"source": "provider", "amount": amount}


def a_cloud_event(event_id: str = "e1", **changes: Any) -> dict[str, Any]:
    envelope = {
        "specversion": "1.0",
        "type": "ai.usage",
        "time": NOW.isoformat(),
        "traceparent": "00-ab-cd-01",
    }
    return {**an_event(event_id), **envelope, **changes}


def post(body: Any, *, key: str, content_type: str = "application/json", **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client().post(
        URL, raw, content_type=content_type, headers={"Authorization": f"Bearer {key}", **headers}
    )


def outcomes_of(answer: dict[str, Any]) -> list[str]:
    return [outcome["outcome"] for outcome in answer["outcomes"]]


def the_outcome(response: HttpResponse) -> dict[str, Any]:
    assert response.status_code == 200, response.content
    [outcome] = json.loads(response.content)["outcomes"]
    return dict(outcome)


def test_plain_json_is_recorded_with_its_exact_cost(service_key: str) -> None:
    response = post(an_event(), key=service_key)

    assert response.json() == {
        "recorded": 1,
        "replayed": 0,
        "conflicts": 0,
        "rejected": 0,
        "outcomes": [
            {
                "index": 0,
                "outcome": "recorded",
                "source": "app",
                "id": "e1",
                "cost": "0.0035",
                "currency": "USD",
            }
        ],
    }


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (a_cloud_event(), "application/cloudevents+json"),
        ([a_cloud_event()], "application/cloudevents-batch+json"),
        ([an_event()], "application/json; charset=utf-8"),
    ],
)
def test_cloud_events_and_batches_are_taken_as_they_are(
    service_key: str, body: Any, content_type: str
) -> None:
    assert the_outcome(post(body, key=service_key, content_type=content_type))["outcome"] == "recorded"


def test_a_repeated_request_is_answered_with_replays(service_key: str) -> None:
    first = post([a_cloud_event("1"), a_cloud_event("2")], key=service_key).json()
    again = post([a_cloud_event("1"), a_cloud_event("2")], key=service_key).json()

    assert (again["recorded"], again["replayed"]) == (0, 2)
    assert [o["cost"] for o in again["outcomes"]] == [o["cost"] for o in first["outcomes"]]


def test_gzip_is_undone(service_key: str) -> None:
    body = gzip.compress(json.dumps([an_event("1"), an_event("2")]).encode())

    assert post(body, key=service_key, **{"Content-Encoding": "gzip"}).json()["recorded"] == 2


def test_one_bad_event_in_the_middle_is_named_and_the_others_are_recorded(service_key: str) -> None:
    batch = [an_event(str(number)) for number in range(5)]
    batch[2]["data"]["gen_ai.usage.input_tokens"] = -5
    answer = post(batch, key=service_key).json()

    assert [outcome["outcome"] for outcome in answer["outcomes"]] == ["recorded"] * 2 + ["rejected"] + [
        "recorded"
    ] * 2
    assert [outcome["index"] for outcome in answer["outcomes"]] == [0, 1, 2, 3, 4]
    assert answer["outcomes"][2] == {
        "index": 2,
        "outcome": "rejected",
        "source": "app",
        "id": "2",
        "code": "event_invalid",
        "pointer": "/data/gen_ai.usage.input_tokens",
        "message": "Expected `int` >= 0.",
    }
    assert APIUsageLog.objects.count() == 4


@pytest.mark.parametrize(
    ("event", "code", "pointer"),
    [
        ("not an object", "event_invalid", ""),
        ({}, "event_invalid", "/id"),
        (an_event(""), "event_invalid", "/id"),
        (an_event(data={}), "event_invalid", "/data/gen_ai.provider.name"),
        (an_event(data=data(gen_ai="x")), "event_invalid", "/data/gen_ai"),
        (an_event(data=data(**{"a/b~c": 1})), "event_invalid", "/data/a~1b~0c"),
        (an_event(data=data(units={"pages": 1.5})), "event_invalid", "/data/units/pages"),
        (an_event(data=data(units={"seconds": "1.2345"})), "event_invalid", "/data/units/seconds"),
        (an_event(data=data(tags={"squad": "x"})), "event_invalid", "/data/tags/squad"),
        (an_event(data=data(cost=reported(0.1))), "event_invalid", "/data/cost/amount"),
        (an_event(data=data(cost=reported("-1"))), "event_invalid", "/data/cost/amount"),
        (an_event(data=data(cost=reported("NaN"))), "event_invalid", "/data/cost/amount"),
        (an_event(data=data(**{TOKENS: 2_000_000_001})), "event_invalid", f"/data/{TOKENS}"),
        (an_event(data=data(status_code=99)), "event_invalid", "/data/status_code"),
        (an_event(time="yesterday"), "event_invalid", "/time"),
        (an_event(time="2026-03-15T12:00:00"), "event_invalid", "/time"),
        (a_cloud_event(specversion="0.3"), "event_invalid", "/specversion"),
        (an_event(time=(NOW + timedelta(seconds=301)).isoformat()), "time_in_future", "/time"),
        (an_event(time=(NOW - timedelta(days=35, seconds=1)).isoformat()), "time_too_old", "/time"),
        (an_event(subject="globex"), "subject_unknown", "/subject"),
    ],
)  # fmt: skip
def test_a_rejected_event_points_to_the_field(service_key: str, event: Any, code: str, pointer: str) -> None:
    outcome = the_outcome(post([event], key=service_key))

    assert (outcome["outcome"], outcome["code"], outcome["pointer"]) == ("rejected", code, pointer)
    assert outcome["message"].endswith(".")
    assert_nothing_recorded()


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b'{"id": "\xff\xfe", "source": "app", "data": {}}', "json_invalid"),
        (b'{"id": "x", "source": "app", "ext": ' + b"[" * 3_000 + b"]" * 3_000 + b"}", "json_invalid"),
        (b'{"id": "\\ud800", "source": "app", "data": {}}', "json_invalid"),
        (json.dumps(an_event("x", subject="a\x00b")).encode(), "subject_unknown"),
        (json.dumps(an_event("x\x00")).encode(), "text_invalid"),
        (json.dumps(an_event("x", data=data(cost=reported("1" * 10)))).encode(), "event_invalid"),
    ],
    ids=["not UTF-8", "too deep", "lone surrogate", "NUL in subject", "NUL in id", "ten digits of dollars"],
)
def test_hostile_events_lose_none_of_their_neighbours(service_key: str, bad: bytes, code: str) -> None:
    good = [json.dumps(an_event(name)).encode() for name in ("1", "2")]
    response = post(b"[" + b",".join([good[0], bad, good[1]]) + b"]", key=service_key)

    if response.status_code == 200:
        assert outcomes_of(response.json()) == ["recorded", "rejected", "recorded"]
        assert response.json()["outcomes"][1]["code"] == code
    else:  # what breaks the batch's own syntax is refused whole, and says so
        assert (response.status_code, response.json()["code"]) == (400, "json_invalid")
        assert_nothing_recorded()


def test_every_member_of_a_gzip_body_is_read(service_key: str) -> None:
    body = json.dumps([an_event("1"), an_event("2")]).encode()
    members = gzip.compress(body[:50], mtime=0) + gzip.compress(body[50:], mtime=0)

    assert post(members, key=service_key, **{"Content-Encoding": "gzip"}).json()["recorded"] == 2


def test_usage_too_old_for_the_api_is_sent_to_the_import(service_key: str) -> None:
    outcome = the_outcome(post(an_event(time="2020-01-01T00:00:00Z"), key=service_key))

    assert "import_usage" in outcome["message"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "json_invalid"),
        (b"{", 400, "json_invalid"),
        (b"[{]", 400, "json_invalid"),
        (b"[]", 400, "invalid_request"),
        (b"[" + b",".join([b"{}"] * 10_001) + b"]", 413, "too_large"),
    ],
)
def test_a_body_that_holds_no_batch_is_refused_whole(
    service_key: str, body: bytes, status: int, code: str
) -> None:
    response = post(body, key=service_key)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (b"not gzip", "gzip", 400, "encoding_invalid"),
        (gzip.compress(b"[{}]" * 100, mtime=0)[:-9], "gzip", 400, "encoding_invalid"),
        (b"{}", "br", 400, "encoding_unknown"),
        (gzip.compress(b" " * 5_000, mtime=0), "gzip", 413, "too_large"),
        (b" " * 5_000, "identity", 413, "too_large"),
    ],
    ids=["not gzip", "cut off", "unknown", "a bomb", "too long"],
)
def test_bodies_are_bounded_in_both_forms(
    service_key: str, settings: Any, body: bytes, encoding: str, status: int, code: str
) -> None:
    settings.INGEST_MAX_BODY_BYTES = settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 4_096
    response = post(body, key=service_key, **{"Content-Encoding": encoding})

    assert (response.status_code, response.json()["code"]) == (status, code)


def test_an_accounts_own_key_needs_no_subject_and_reaches_no_other(acme: Account) -> None:
    key = a_key(acme, scopes=(Scope.INGEST,)).plain
    an_account("globex")
    own = {name: value for name, value in an_event("1").items() if name != "subject"}
    answer = post(
        [own, an_event("2"), an_event("3", subject="globex"), an_event("4", subject="nobody")], key=key
    ).json()

    assert [outcome["outcome"] for outcome in answer["outcomes"]] == [
        "recorded",
        "recorded",
        "rejected",
        "rejected",
    ]
    # that globex exists is not told
    assert answer["outcomes"][2]["message"].replace("globex", "nobody") == answer["outcomes"][3]["message"]


def test_a_key_without_the_scope_may_not_ingest(acme: Account) -> None:
    response = post(an_event(), key=a_key(acme, scopes=(Scope.READ,)).plain)

    assert (response.status_code, response.json()["code"]) == (403, "access_denied")
    assert_nothing_recorded()


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_without_a_valid_key_nobody_comes_in(header: dict[str, str]) -> None:
    response = Client().post(URL, json.dumps(an_event()), content_type="application/json", headers=header)

    assert response.status_code == 401
    assert_nothing_recorded()


def test_a_logged_in_member_may_not_ingest(acme: Account) -> None:
    client = Client()
    client.force_login(a_member(acme))

    assert client.post(URL, json.dumps(an_event()), content_type="application/json").status_code == 403


def test_only_post_is_answered(service_key: str) -> None:
    response = Client().get(URL, headers={"Authorization": f"Bearer {service_key}"})

    assert (response.status_code, response["Allow"]) == (405, "POST")
