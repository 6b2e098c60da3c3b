"""API keys from their issue to their end."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from usage import keys
from usage.core.errors import InvalidRequest
from usage.models import ApiKey, Scope

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def test_an_issued_key_opens_its_account() -> None:
    acme = an_account("acme")
    issued = a_key(acme, scopes=(Scope.READ, Scope.INGEST))
    key = keys.verify(issued.plain, at=NOW)
    assert key is not None
    assert key.account == acme
    assert key.scopes == ["ingest", "read"]


def test_the_secret_is_neither_stored_nor_shown_in_a_repr() -> None:
    issued = a_key(an_account())
    secret = issued.plain.partition(".")[2]
    row = ApiKey.objects.values().get()
    assert secret not in str(row)
    assert secret not in repr(issued)


def test_verifying_takes_one_query_with_the_account(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    issued = a_key(an_account("acme"))
    with django_assert_num_queries(1):
        key = keys.verify(issued.plain, at=NOW)
        assert key is not None
        assert key.account is not None
        assert key.account.external_id == "acme"


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(lambda plain: plain[:-1] + ("b" if plain[-1] == "a" else "a"), id="last letter changed"),
        pytest.param(lambda plain: plain[:9] + "x" * 32, id="another secret under the prefix"),
        pytest.param(lambda plain: "00000000" + plain[8:], id="unknown prefix"),
        pytest.param(lambda plain: plain.partition(".")[0], id="prefix alone"),
        pytest.param(lambda plain: plain + "\x00", id="NUL"),
        pytest.param(lambda plain: plain + "\n", id="line break"),
        pytest.param(lambda plain: "", id="empty"),
        pytest.param(lambda plain: "é" * 41, id="not ASCII"),
    ],
)
def test_a_key_that_was_not_issued_opens_nothing(forged: Callable[[str], str]) -> None:
    issued = a_key(an_account())
    assert keys.verify(forged(issued.plain), at=NOW) is None


def test_a_key_works_until_its_expiry_and_not_at_it() -> None:
    expiry = NOW + timedelta(hours=1)
    issued = a_key(an_account(), expires_at=expiry)
    assert keys.verify(issued.plain, at=expiry - SECOND) is not None
    assert keys.verify(issued.plain, at=expiry) is None


def test_a_revoked_key_is_refused_at_once_and_tells_when_it_ended() -> None:
    issued = a_key(an_account())
    assert keys.verify(issued.plain, at=NOW) is not None
    assert keys.revoke(issued.key, at=NOW)
    assert keys.verify(issued.plain, at=NOW) is None
    assert ApiKey.objects.get().expiry_date == NOW


def test_revoking_again_changes_nothing() -> None:
    issued = a_key(an_account())
    keys.revoke(issued.key, at=NOW)
    assert not keys.revoke(issued.key, at=NOW - timedelta(days=1))
    assert ApiKey.objects.get().expiry_date == NOW


def test_revoking_an_expired_key_keeps_its_expiry() -> None:
    expiry = NOW + timedelta(hours=1)
    issued = a_key(an_account(), expires_at=expiry)
    keys.revoke(issued.key, at=NOW + timedelta(days=1))
    assert ApiKey.objects.get().expiry_date == expiry


def test_the_last_use_is_written_at_most_once_a_minute() -> None:
    a_key(an_account())
    for seconds, expected in [(0, 0), (59, 0), (60, 60), (61, 60)]:
        keys.mark_used(ApiKey.objects.get(), at=NOW + timedelta(seconds=seconds))
        assert ApiKey.objects.get().last_used_at == NOW + timedelta(seconds=expected)


def test_a_recent_use_costs_no_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    a_key(an_account())
    keys.mark_used(ApiKey.objects.get(), at=NOW)
    key = ApiKey.objects.get()
    with django_assert_num_queries(0):
        keys.mark_used(key, at=NOW + SECOND)


def test_an_older_use_does_not_overwrite_a_newer_one() -> None:
    a_key(an_account())
    read_before = ApiKey.objects.get()
    keys.mark_used(ApiKey.objects.get(), at=NOW)
    keys.mark_used(read_before, at=NOW - SECOND)
    assert ApiKey.objects.get().last_used_at == NOW


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", {"name": "  "}),
        ("name", {"name": "x" * 51}),
        ("scopes", {"scopes": ()}),
        ("expires_at", {"expires_at": NOW}),
    ],
)
def test_a_wrong_field_is_named(field: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field} "):
        a_key(None, **wrong)
    assert not ApiKey.objects.exists()


# --- Two connections at once ---------------------------------------------------------------------------


def other_connection_waits() -> bool:
    with connection.cursor() as cursor:
        # Within a transaction the view is otherwise read once and then remembered.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def both(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """What each answers when `second` runs into the row that `first` has written but not yet committed."""

    def on_its_own_connection() -> Any:
        try:
            return second()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            answer = first()
            later = pool.submit(on_its_own_connection)
            deadline = time.monotonic() + 10
            while not other_connection_waits():
                assert time.monotonic() < deadline, "the second connection never waited"
                time.sleep(0.01)
        return answer, later.result()


@pytest.mark.django_db(transaction=True)
def test_of_two_revocations_at_once_one_counts() -> None:
    key = a_key(an_account()).key
    same = ApiKey.objects.get()
    answers = both(lambda: keys.revoke(key, at=NOW), lambda: keys.revoke(same, at=NOW - SECOND))
    assert answers == (True, False)
    assert ApiKey.objects.get().expiry_date == NOW


@pytest.mark.django_db(transaction=True)
def test_of_two_uses_at_once_one_is_written() -> None:
    key = a_key(an_account()).key
    same = ApiKey.objects.get()
    both(lambda: keys.mark_used(key, at=NOW), lambda: keys.mark_used(same, at=NOW + SECOND))
    assert ApiKey.objects.get().last_used_at == NOW
