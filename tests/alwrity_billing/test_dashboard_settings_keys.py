"""The settings' page of API keys: who may do what with them, and what is shown once."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.asserts import assertRedirects

from tests.support.cast import NOW, TESTS, a_member, a_user, an_account
from tests.support.credentials import a_key
from tests.support.reading_pages import logged_in, read
from usage import keys
from usage.models import Account, ApiKey, Role, Scope

KEYS = "/settings/keys/"
SECRET = re.compile(r"\b[0-9A-Za-z]{8}\.[0-9A-Za-z]{32}\b")
NEW = {"name": "web", "scopes": ["ingest", "read"]}
MOST_QUERIES = 15

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def alice(client: Client, acme: Account) -> Client:
    client.force_login(a_member(acme))
    return client


def opens(plain: str, *, after: timedelta = timedelta()) -> bool:
    return keys.verify(plain, at=NOW + after) is not None


def the_secret(page: str) -> str:
    (found,) = SECRET.findall(page)
    return str(found)


def test_a_new_keys_secret_is_shown_once_and_kept_by_no_cache(alice: Client, acme: Account) -> None:
    response = alice.post(KEYS, NEW)
    secret = the_secret(read(response))
    assert "no-store" in response["Cache-Control"]
    key = keys.verify(secret, at=NOW)
    assert key is not None
    assert (key.account, key.name, key.scopes) == (acme, "web", ["ingest", "read"])
    page = read(alice.get(KEYS))
    assert not SECRET.search(page)
    assert "<strong>alice</strong> created the key web" in page


def test_the_list_says_what_each_key_may_and_how_it_stands(alice: Client, acme: Account) -> None:
    key = a_key(acme, name="worker", scopes=(Scope.INGEST, Scope.READ)).key
    page = read(alice.get(KEYS))
    assert re.search(rf'worker <code class="key-prefix">{key.prefix}…</code> <[^>]+>Active<', page)
    assert "Send usage, Read usage and prices" in page
    assert "never used" in page
    keys.mark_used(key, at=NOW)
    assert ">15 Mar 2026, 12:00<" in read(alice.get(KEYS))
    keys.revoke(key, at=NOW, by=TESTS)
    page = read(alice.get(KEYS))
    assert "No key is in use." in page
    assert ">Revoked<" in page
    assert "Refused since 15 Mar 2026, 12:00" in page


def test_keys_of_no_account_and_of_others_are_not_listed(alice: Client, acme: Account) -> None:
    a_key(None, name="service")
    a_key(an_account("other"), name="theirs")
    page = read(alice.get(KEYS))
    assert "service" not in page
    assert "theirs" not in page


@pytest.mark.parametrize(
    ("entered", "told"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 51}, "at most 50 characters"),
        ({"name": "worker"}, "A key of this name is in use: choose another one."),
        ({"name": "a\x00"}, "Null characters are not allowed."),
        ({"scopes": []}, "This field is required."),
        ({"scopes": ["everything"]}, "everything is not one of the available choices"),
    ],
)
def test_what_is_no_key_is_said_beside_the_field_and_kept(
    alice: Client, acme: Account, entered: dict[str, object], told: str
) -> None:
    a_key(acme, name="worker")
    page = read(alice.post(KEYS, {**NEW, **entered}))
    field = re.search(r'class="(?:choice )?field field-wrong">.*?</ul>', page)
    assert field is not None
    assert told in field[0]
    assert ApiKey.objects.count() == 1
    if "scopes" not in entered:
        assert 'value="read" checked' in page


@pytest.mark.parametrize(
    ("overlap", "works_for"),
    [(0, timedelta()), (60, timedelta(hours=1)), (1440, timedelta(days=1)), (10080, timedelta(days=7))],
)
def test_a_rotated_key_ends_when_it_was_said_to(
    alice: Client, acme: Account, overlap: int, works_for: timedelta
) -> None:
    old = a_key(acme, name="worker")
    page = read(alice.post(f"{KEYS}{old.key.prefix}/rotate/", {"overlap": overlap}))
    new = the_secret(page)
    assert opens(new)
    assert opens(old.plain) == bool(overlap)
    assert not opens(old.plain, after=works_for)
    told = "works until" if overlap else "is refused from now on"
    assert f"The key before, {old.key.prefix}…, {told}" in page
    listed = read(alice.get(KEYS))
    assert f"<strong>alice</strong> put the key {new[:8]}… in the place of worker" in listed
    if overlap:
        assert ">Ends soon<" in listed
        assert f"{KEYS}{old.key.prefix}/rotate/" not in listed


@pytest.mark.parametrize("overlap", ["", "5", "-60", "forever"])
def test_another_overlap_is_refused(alice: Client, acme: Account, overlap: str) -> None:
    old = a_key(acme)
    assert alice.post(f"{KEYS}{old.key.prefix}/rotate/", {"overlap": overlap}).status_code == 400
    assert opens(old.plain, after=timedelta(days=365))


def test_a_key_that_has_ended_is_not_rotated(alice: Client, acme: Account) -> None:
    key = a_key(acme).key
    keys.revoke(key, at=NOW, by=TESTS)
    page = read(alice.post(f"{KEYS}{key.prefix}/rotate/", {"overlap": "0"}, follow=True))
    assert "This key has ended: create a new one." in page


def test_a_revoked_key_is_refused_from_the_next_request_on(alice: Client, acme: Account) -> None:
    key = a_key(acme)
    with_key = {"Authorization": f"Bearer {key.plain}"}
    assert Client().get("/api/usage/limits", headers=with_key).status_code == 200
    assertRedirects(alice.post(f"{KEYS}{key.key.prefix}/revoke/"), KEYS)
    assert Client().get("/api/usage/limits", headers=with_key).status_code == 401
    assert "was revoked before" in read(alice.post(f"{KEYS}{key.key.prefix}/revoke/", follow=True))


def test_a_billing_admin_manages_keys_too(acme: Account) -> None:
    bob = logged_in(acme, "bob", Role.BILLING_ADMIN)
    secret = the_secret(read(bob.post(KEYS, NEW)))
    assertRedirects(bob.post(f"{KEYS}{secret[:8]}/revoke/"), KEYS)
    assert not opens(secret)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_readers_see_no_keys_and_change_none(acme: Account, role: Role) -> None:
    vera = logged_in(acme, "vera", role)
    key = a_key(acme, name="worker")
    page = read(vera.get(KEYS))
    assert "Owners and billing admins of the account see and manage them" in page
    assert "worker" not in page
    assert key.key.prefix not in page
    for url in (KEYS, f"{KEYS}{key.key.prefix}/rotate/", f"{KEYS}{key.key.prefix}/revoke/"):
        assert vera.post(url, {**NEW, "overlap": "0"}).status_code == 403, url
    assert opens(key.plain)
    assert ApiKey.objects.count() == 1


def test_keys_of_others_are_not_found(alice: Client) -> None:
    theirs, service = a_key(an_account("other")), a_key(None)
    for prefix in (theirs.key.prefix, service.key.prefix, "nothing0"):
        for action in ("rotate", "revoke"):
            assert alice.post(f"{KEYS}{prefix}/{action}/", {"overlap": "0"}).status_code == 404
    assert alice.get(f"{KEYS}?account=other").status_code == 403
    assert opens(theirs.plain)
    assert opens(service.plain)


def test_support_revokes_what_leaked_and_issues_nothing(alice: Client, acme: Account) -> None:
    key = a_key(acme, name="worker")
    sam = a_user("sam", is_staff=True)
    sam.user_permissions.add(
        Permission.objects.get(content_type__app_label="usage", codename="change_apikey")
    )
    support = Client()
    support.force_login(sam)
    query = "?account=acme"
    page = read(support.get(KEYS + query))
    assert "worker" in page
    assert "Create a key" not in page
    assert support.post(KEYS + query, NEW).status_code == 403
    assert support.post(f"{KEYS}{key.key.prefix}/rotate/{query}", {"overlap": "0"}).status_code == 403
    assertRedirects(support.post(f"{KEYS}{key.key.prefix}/revoke/{query}"), KEYS + query)
    assert not opens(key.plain)
    assert "<strong>Our staff</strong> revoked the key worker" in read(alice.get(KEYS))


def test_a_key_makes_no_keys(alice: Client, acme: Account) -> None:
    admin = a_key(acme, scopes=(Scope.ADMIN, Scope.READ))
    assert alice.post(KEYS, NEW, headers={"X-API-Key": admin.plain}).status_code == 403
    assert ApiKey.objects.count() == 1


def test_changes_take_a_post_with_its_token(alice: Client, acme: Account) -> None:
    key = a_key(acme)
    client = Client(enforce_csrf_checks=True)
    client.force_login(acme.members.get().user)
    for url in (KEYS, f"{KEYS}{key.key.prefix}/rotate/", f"{KEYS}{key.key.prefix}/revoke/"):
        assert client.post(url, {**NEW, "overlap": "0"}).status_code == 403
    assert client.get(f"{KEYS}{key.key.prefix}/revoke/").status_code == 405
    assert opens(key.plain)


def test_the_page_needs_few_queries(
    alice: Client, acme: Account, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        a_key(acme, name=f"key {number}")
    with django_assert_max_num_queries(MOST_QUERIES):
        alice.get(KEYS)
