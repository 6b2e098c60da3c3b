"""The page that an invitation's link leads to."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.asserts import assertRedirects

from tests.support.cast import NOW, TESTS, a_member, a_user, an_account
from tests.support.reading_pages import read
from usage import invitations
from usage.invitations import VALID_FOR
from usage.models import Account, Member

PASSWORD = "correct horse battery"
NEW = {"username": "carol", "password1": PASSWORD, "password2": PASSWORD}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    account = an_account("acme", name="Acme Research")
    a_member(account)
    return account


@pytest.fixture
def link(acme: Account) -> str:
    invitation = invitations.invite(
        acme, email="carol@example.com", role="billing_admin", at=NOW, by=TESTS, by_staff=True
    )
    return f"/join/{invitations.token_for(invitation)}/"


def test_the_page_says_who_asks_into_what_and_changes_nothing(client: Client, link: str) -> None:
    page = read(client.get(link))
    assert "Join Acme Research" in page
    assert "tests asks you to join as <strong>billing admin</strong>." in page
    assert f"/login/?next={quote(link, safe='')}" in page
    assert Member.objects.count() == 1
    assert "no-store" in client.get(link)["Cache-Control"]


def test_somebody_new_chooses_a_login_and_is_in(client: Client, acme: Account, link: str) -> None:
    page = read(client.post(link, NEW, follow=True))
    assert "Welcome to Acme Research." in page
    assert "Send your first event" in page
    carol = User.objects.get(username="carol")
    assert carol.email == "carol@example.com"
    assert carol.check_password(PASSWORD)
    assert Member.objects.get(user=carol).role == "billing_admin"


def test_somebody_who_is_logged_in_joins_as_who_they_are(client: Client, acme: Account, link: str) -> None:
    bob = a_user("bob")
    client.force_login(bob)
    assert "Join as bob" in read(client.get(link))
    assertRedirects(client.post(link), "/?account=acme")
    assert Member.objects.get(user=bob).account == acme
    assert User.objects.count() == 2


def test_logging_in_leads_back_to_it(client: Client, link: str) -> None:
    a_user("bob")
    response = client.post(f"/login/?next={link}", {"username": "bob", "password": "correct horse"})
    assertRedirects(response, link)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"username": "alice"}, "A user with that username already exists."),
        ({"password2": "other"}, "The two password fields didn’t match."),
        ({"password1": "12345678", "password2": "12345678"}, "This password is too common."),
        ({"password1": "carol@example.com", "password2": "carol@example.com"}, "too similar to the email"),
    ],
)
def test_what_is_no_login_is_said_and_nobody_joins(
    client: Client, link: str, wrong: dict[str, str], told: str
) -> None:
    assert told in read(client.post(link, {**NEW, **wrong}))
    assert User.objects.count() == 1
    assert Member.objects.count() == 1


def test_a_link_that_was_used_is_over(client: Client, link: str) -> None:
    client.post(link, NEW)
    page = read(Client().post(link, {**NEW, "username": "dave"}), 404)
    assert "This invitation is over" in page
    assert not User.objects.filter(username="dave").exists()


def test_a_link_that_has_expired_or_that_nobody_made_is_over(client: Client, link: str) -> None:
    assert "This invitation is over" in read(client.get("/join/1:nonsense/"), 404)
    with time_machine.travel(NOW + VALID_FOR, tick=False):
        assert "This invitation is over" in read(client.get(link), 404)


def test_a_member_is_told_that_they_are_one_and_the_invitation_stays(client: Client, link: str) -> None:
    client.force_login(User.objects.get(username="alice"))
    assert "You are a member of this account already." in read(client.post(link, follow=True))
    assert "Join Acme Research" in read(Client().get(link))


def test_a_post_takes_its_token(link: str) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post(link, NEW).status_code == 403
    assert User.objects.count() == 1
