"""API keys from their issue to their end."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, TESTS, an_account
from tests.support.credentials import a_key
from tests.support.racing import together
from usage import keys
from usage.core.errors import Conflict, InvalidRequest, NotFound
from usage.models import Account, AccountChange, ApiKey, Scope

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
    assert keys.revoke(issued.key, at=NOW, by=TESTS)
    assert keys.verify(issued.plain, at=NOW) is None
    assert ApiKey.objects.get().expiry_date == NOW


def test_revoking_again_changes_nothing() -> None:
    issued = a_key(an_account())
    keys.revoke(issued.key, at=NOW, by=TESTS)
    assert not keys.revoke(issued.key, at=NOW - timedelta(days=1), by=TESTS)
    assert ApiKey.objects.get().expiry_date == NOW


def test_revoking_an_expired_key_keeps_its_expiry() -> None:
    expiry = NOW + timedelta(hours=1)
    issued = a_key(an_account(), expires_at=expiry)
    keys.revoke(issued.key, at=NOW + timedelta(days=1), by=TESTS)
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
    with pytest.raises(InvalidRequest, match=f"^{field}: "):
        a_key(None, **wrong)
    assert not ApiKey.objects.exists()


# --- What an account's people do with them ---------------------------------------------------------------

HOUR = timedelta(hours=1)


def created(account: Account, name: str = "prod", *, scopes: Sequence[str] = ("read",)) -> keys.IssuedKey:
    return keys.create(account, name=name, scopes=scopes, at=NOW, by=TESTS)


def in_use(account: Account, at: datetime = NOW) -> list[str]:
    return [key.name for key in keys.of_account(account, at=at, ended_at_most=10)[0]]


def test_a_key_is_created_and_kept_in_the_history() -> None:
    acme = an_account()
    key = created(acme, " prod ", scopes=["read", "ingest"]).key
    change = AccountChange.objects.get()
    assert (key.name, key.scopes, key.account) == ("prod", ["ingest", "read"], acme)
    assert (change.actor, change.about, change.subject, change.at) == ("tests", "key", str(key), NOW)
    assert change.before == {}
    assert change.after == {
        "scopes": ["ingest", "read"],
        "expires_at": None,
        "revoked": False,
        "replaced_by": None,
    }


def test_a_name_in_use_is_taken_in_the_account_alone() -> None:
    acme = an_account()
    first = created(acme).key
    with pytest.raises(InvalidRequest, match=r"^name: A key of this name is in use"):
        created(acme, " prod")
    created(an_account("other"))
    keys.revoke(first, at=NOW, by=TESTS)
    created(acme)


def test_an_account_has_so_many_keys_in_use() -> None:
    acme = an_account()
    first, *_ = (created(acme, f"key {number}").key for number in range(keys.MOST_KEYS))
    with pytest.raises(Conflict, match="50 keys are in use"):
        created(acme, "one more")
    keys.revoke(first, at=NOW, by=TESTS)
    created(acme, "one more")


def test_a_key_of_others_is_not_found() -> None:
    acme, other = an_account(), an_account("other")
    key = created(other).key
    assert keys.key_of(other, key.prefix) == key
    for prefix in (key.prefix, "nothing", a_key(None).key.prefix):
        with pytest.raises(NotFound):
            keys.key_of(acme, prefix)


def test_a_rotated_key_goes_on_for_the_overlap_beside_the_new_one() -> None:
    acme = an_account()
    old = created(acme, scopes=["ingest", "read"])
    new = keys.rotate(old.key, overlap=HOUR, at=NOW, by=TESTS)

    assert (new.key.name, new.key.scopes, new.key.expiry_date) == ("prod", ["ingest", "read"], None)
    assert new.plain != old.plain
    for at, opens in [(NOW, True), (NOW + HOUR - SECOND, True), (NOW + HOUR, False)]:
        assert (keys.verify(old.plain, at=at) is not None) == opens
        assert keys.verify(new.plain, at=at) is not None
    assert ApiKey.objects.get(pk=old.key.pk).replaced_by == new.key
    assert in_use(acme) == ["prod", "prod"]
    assert in_use(acme, NOW + HOUR) == ["prod"]
    change = AccountChange.objects.order_by("id").last()
    assert change is not None
    assert change.after["replaced_by"] == new.key.prefix
    assert (change.before["expires_at"], change.after["expires_at"]) == (None, (NOW + HOUR).isoformat())


def test_without_an_overlap_a_rotated_key_ends_at_once() -> None:
    old = a_key(an_account())
    new = keys.rotate(old.key, overlap=timedelta(), at=NOW, by=TESTS)
    assert keys.verify(old.plain, at=NOW) is None
    assert keys.verify(new.plain, at=NOW) is not None
    row = ApiKey.objects.get(pk=old.key.pk)
    assert (row.revoked, row.expiry_date) == (True, NOW)


def test_a_rotation_outlives_no_expiry() -> None:
    expiry = NOW + timedelta(minutes=30)
    old = a_key(an_account(), expires_at=expiry)
    new = keys.rotate(old.key, overlap=HOUR, at=NOW, by=TESTS)
    for issued in (old, new):
        assert keys.verify(issued.plain, at=expiry - SECOND) is not None
        assert keys.verify(issued.plain, at=expiry) is None


@pytest.mark.parametrize("overlap", [-SECOND, keys.LONGEST_OVERLAP + SECOND])
def test_an_overlap_is_bounded(overlap: timedelta) -> None:
    key = a_key(an_account()).key
    with pytest.raises(InvalidRequest, match=r"^overlap: Give at most 7 days"):
        keys.rotate(key, overlap=overlap, at=NOW, by=TESTS)
    keys.rotate(key, overlap=keys.LONGEST_OVERLAP, at=NOW, by=TESTS)


def test_what_has_ended_or_was_replaced_is_not_rotated() -> None:
    acme = an_account()
    revoked, expired, replaced = (a_key(acme, name=name, expires_at=NOW + HOUR).key for name in "abc")
    keys.revoke(revoked, at=NOW, by=TESTS)
    keys.rotate(replaced, overlap=HOUR, at=NOW, by=TESTS)
    for key, at, code in [
        (revoked, NOW, "key_ended"),
        (expired, NOW + HOUR, "key_ended"),
        (replaced, NOW, "key_replaced"),
        (a_key(None).key, NOW, "key_ended"),
    ]:
        with pytest.raises(Conflict) as told:
            keys.rotate(key, overlap=HOUR, at=at, by=TESTS)
        assert told.value.error_code == code


def test_those_that_ended_are_listed_apart_and_bounded() -> None:
    acme = an_account()
    for name in "abc":
        keys.revoke(created(acme, name).key, at=NOW, by=TESTS)
    created(acme, "d")
    created(an_account("other"), "e")
    usable, ended = keys.of_account(acme, at=NOW, ended_at_most=2)
    assert [key.name for key in usable] == ["d"]
    assert len(ended) == 2
    assert {key.name for key in ended} < set("abc")


def test_a_revocation_is_kept_once_and_one_of_a_service_key_elsewhere() -> None:
    key = a_key(an_account()).key
    for _ in range(2):
        keys.revoke(key, at=NOW, by=TESTS)
    keys.revoke(a_key(None).key, at=NOW, by=TESTS)
    assert [change.after["revoked"] for change in AccountChange.objects.order_by("id")] == [False, True]


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
    answers = both(
        lambda: keys.revoke(key, at=NOW, by=TESTS), lambda: keys.revoke(same, at=NOW - SECOND, by=TESTS)
    )
    assert answers == (True, False)
    assert ApiKey.objects.get().expiry_date == NOW


@pytest.mark.django_db(transaction=True)
def test_of_two_uses_at_once_one_is_written() -> None:
    key = a_key(an_account()).key
    same = ApiKey.objects.get()
    both(lambda: keys.mark_used(key, at=NOW), lambda: keys.mark_used(same, at=NOW + SECOND))
    assert ApiKey.objects.get().last_used_at == NOW


@pytest.mark.django_db(transaction=True)
def test_of_two_rotations_at_once_one_makes_a_key() -> None:
    key = a_key(an_account()).key

    def rotation() -> str:
        try:
            keys.rotate(key, overlap=HOUR, at=NOW, by=TESTS)
        except Conflict as conflict:
            return conflict.error_code
        return "done"

    assert sorted(together(rotation, rotation)) == ["done", "key_replaced"]
    assert ApiKey.objects.count() == 2
