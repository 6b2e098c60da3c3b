"""GET /api/subscription/alerts/{user_id} and marking alerts read."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from alerts.models import UsageAlert
from tests.support.alerting import an_alert
from tests.support.alerts_api import permit, staff
from tests.support.cast import NOW, a_member, an_account
from tests.support.credentials import AUDIENCE, ISSUER, a_key, a_token, an_identity_provider
from tests.support.posting import Posted, look, post
from usage.models import Account, Role, Scope

INBOX = "/api/subscription/alerts/acme"
READ = "/api/subscription/alerts/{}/mark-read"
READ_ALL = "/api/subscription/alerts/acme/mark-all-read"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        yield an_account()


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme).plain


def titles(answer: Posted) -> list[str]:
    return [alert["title"] for alert in answer.data["alerts"]]


def mark(alert: UsageAlert | int, **credential: Any) -> Posted:
    return post(READ.format(alert if isinstance(alert, int) else alert.pk), **credential)


def is_read(alert: UsageAlert) -> bool:
    alert.refresh_from_db()
    return alert.is_read


def test_an_alert_is_told_with_every_field_it_has(acme: Account, key: str) -> None:
    alert = an_alert(acme, provider="openai", threshold=80, sent_at=NOW, read_at=NOW)

    assert look(INBOX, key=key).data == {
        "alerts": [
            {
                "id": alert.pk,
                "type": "limit_threshold",
                "threshold_percentage": 80,
                "provider": "openai",
                "title": "80 % of calls used",
                "message": "8 of 10 calls are used this billing period (calls).",
                "severity": "warning",
                "is_sent": True,
                "sent_at": "2026-03-15T12:00:00Z",
                "is_read": True,
                "read_at": "2026-03-15T12:00:00Z",
                "billing_period": "2026-03",
                "created_at": "2026-03-15T12:00:00Z",
            }
        ],
        "total": 1,
        "unread_count": 0,
    }


def test_what_an_alert_does_not_have_is_absent_rather_than_null(acme: Account, key: str) -> None:
    an_alert(acme)

    [told] = look(INBOX, key=key).data["alerts"]
    assert told.keys().isdisjoint({"provider", "sent_at", "read_at"})
    assert (told["is_sent"], told["is_read"]) == (False, False)


def test_an_account_that_was_told_of_nothing_has_an_empty_inbox(key: str) -> None:
    assert look(INBOX, key=key).data == {"alerts": [], "total": 0, "unread_count": 0}


def test_the_newest_come_first_and_what_is_not_in_the_inbox_is_left_out(acme: Account, key: str) -> None:
    an_alert(acme, "first")
    an_alert(acme, "not in the inbox", is_shown=False)
    an_alert(an_account("globex"), "of others")
    an_alert(None, "of staff")
    an_alert(acme, "second", read_at=NOW)

    answer = look(INBOX, key=key)
    assert titles(answer) == ["second", "first"]
    assert (answer.data["total"], answer.data["unread_count"]) == (2, 1)


@pytest.mark.parametrize("asked", ["true", "True", "1"])
def test_the_unread_can_be_asked_for_alone(acme: Account, key: str, asked: str) -> None:
    an_alert(acme, "read", read_at=NOW)
    an_alert(acme, "unread")

    answer = look(f"{INBOX}?unread_only={asked}", key=key)
    assert titles(answer) == ["unread"]
    assert (answer.data["total"], answer.data["unread_count"]) == (1, 1)


def test_beyond_the_limit_they_are_counted(acme: Account, key: str) -> None:
    for number in range(3):
        an_alert(acme, str(number))

    answer = look(f"{INBOX}?limit=2", key=key)
    assert titles(answer) == ["2", "1"]
    assert (answer.data["total"], answer.data["unread_count"]) == (3, 3)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 400), ("limit=1", 200), ("limit=100", 200), ("limit=101", 400), ("limit=all", 400),
        ("unread_only=", 200), ("unread_only=maybe", 400), ("unread_only=false", 200),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(key: str, query: str, status: int) -> None:
    answer = look(f"{INBOX}?{query}", key=key)

    assert answer.status == status
    if status == 400:
        name = query.partition("=")[0]
        assert answer.error.startswith(f"{name}: ")
        assert answer.body["detail"]["errors"][0]["parameter"] == name


def test_reading_takes_few_queries_however_many_there_are(
    acme: Account, key: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        an_alert(acme, str(number), provider="openai")

    # The alerts and two counts; the others verify the key and note its use.
    with django_assert_max_num_queries(5):
        assert len(titles(look(INBOX, key=key))) == 30


@pytest.mark.parametrize("role", Role)
def test_every_member_reads_it_and_marks_it_read(acme: Account, role: Role) -> None:
    alert, member = an_alert(acme), a_member(acme, role=role)

    assert titles(look(INBOX, user=member)) == [alert.title]
    assert mark(alert, user=member).data == {"message": "The alert is marked read."}
    assert is_read(alert)
    assert look(INBOX, user=member).data["unread_count"] == 0


def test_marking_it_again_is_answered_alike_and_keeps_the_time(acme: Account, key: str) -> None:
    alert = an_alert(acme)
    first = mark(alert, key=key)
    with time_machine.travel(NOW.replace(hour=13), tick=False):
        again = mark(alert, key=key)

    assert (first.status, first.body) == (again.status, again.body)
    assert look(INBOX, key=key).data["alerts"][0]["read_at"] == "2026-03-15T12:00:00Z"


def test_all_are_marked_read_at_once(acme: Account, key: str) -> None:
    mine, others = an_alert(acme), an_alert(an_account("globex"))
    an_alert(acme)

    assert post(READ_ALL, key=key).data == {"message": "All alerts are marked read."}
    assert look(INBOX, key=key).data["unread_count"] == 0
    assert is_read(mine)
    assert not is_read(others)


@pytest.mark.parametrize("end", ["", "/"])
def test_the_slash_at_the_end_is_optional(acme: Account, key: str, end: str) -> None:
    alert = an_alert(acme)

    assert look(INBOX + end, key=key).status == 200
    assert post(READ.format(alert.pk) + end, key=key).status == 200
    assert post(READ_ALL + end, key=key).status == 200


def test_a_strangers_alert_is_the_same_as_a_missing_one(acme: Account) -> None:
    mallory = a_member(an_account("globex"), username="mallory")
    alert = an_alert(acme)

    theirs, missing = mark(alert, user=mallory), mark(alert.pk + 1, user=mallory)
    assert theirs.status == missing.status == 404
    assert theirs.body == missing.body
    assert not is_read(alert)


def test_what_is_in_no_inbox_is_not_there_to_be_read(acme: Account) -> None:
    anybody = staff("change_alertsettings")
    for alert in (an_alert(acme, is_shown=False), an_alert(None)):
        assert mark(alert, user=anybody).status == 404


@pytest.mark.parametrize("alert_id", ["9223372036854775807", "9999999999999999999", "1" * 5_000, "x", "-1"])
def test_an_id_that_no_alert_can_have_is_a_missing_one(key: str, alert_id: str) -> None:
    client = Client(headers={"X-API-Key": key})
    assert client.post(READ.format(alert_id)).status_code == 404


def test_a_strangers_inbox_is_refused_whether_it_exists_or_not() -> None:
    mallory = a_member(an_account("globex"), username="mallory")
    for address in (INBOX, READ_ALL):
        ask = look if address is INBOX else post
        existing, missing = ask(address, user=mallory), ask(address.replace("acme", "nobody"), user=mallory)
        assert existing.status == missing.status == 403
        assert existing.body == missing.body


def test_staff_read_every_inbox_and_need_the_permission_to_mark_it_read(acme: Account) -> None:
    alert, sam = an_alert(acme), staff()

    assert titles(look(INBOX, user=sam)) == [alert.title]
    assert mark(alert, user=sam).status == post(READ_ALL, user=sam).status == 403
    assert not is_read(alert)

    permit(sam)
    assert mark(alert, user=sam).status == post(READ_ALL, user=sam).status == 200
    assert is_read(alert)


def test_staff_who_are_members_mark_their_own_inbox_read(acme: Account) -> None:
    alert, member = an_alert(acme), a_member(acme, role=Role.VIEWER)
    User.objects.filter(pk=member.pk).update(is_staff=True)

    assert mark(alert, user=User.objects.get(pk=member.pk)).status == 200


@pytest.mark.parametrize(
    ("scopes", "status"), [((Scope.READ,), 200), ((Scope.INGEST,), 403), ((Scope.ADMIN,), 403)]
)
def test_a_key_needs_the_scope_read(acme: Account, scopes: tuple[Scope, ...], status: int) -> None:
    key = a_key(acme, scopes=scopes).plain

    assert look(INBOX, key=key).status == status
    assert mark(an_alert(acme), key=key).status == status
    assert post(READ_ALL, key=key).status == status


def test_a_service_key_reads_and_marks_for_any_account(acme: Account) -> None:
    alert, service = an_alert(acme), a_key().plain

    assert titles(look(INBOX, key=service)) == [alert.title]
    assert mark(alert, key=service).status == 200
    assert look("/api/subscription/alerts/nobody", key=service).status == 404


def test_a_token_reads_and_marks_its_subjects(acme: Account, settings: Settings) -> None:
    alert = an_alert(acme)
    with an_identity_provider() as provider:
        settings.JWT_JWKS_URL, settings.JWT_ISSUER, settings.JWT_AUDIENCE = provider.url, ISSUER, AUDIENCE
        with time_machine.travel(NOW, tick=True):
            token = a_token()
            assert titles(look(INBOX, key=token)) == [alert.title]
            assert mark(alert, key=token).status == 200


def test_a_session_marks_only_with_its_csrf_token(acme: Account) -> None:
    alert = an_alert(acme)
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_member(acme))
    for address in (READ.format(alert.pk), READ_ALL):
        refused = client.post(address)
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    client.cookies["csrftoken"] = "a" * 32
    assert client.post(READ.format(alert.pk), headers={"x-csrftoken": "a" * 32}).status_code == 200


def test_without_a_credential_nothing_is_told_or_marked(acme: Account) -> None:
    assert look(INBOX).status == mark(an_alert(acme)).status == post(READ_ALL).status == 401
