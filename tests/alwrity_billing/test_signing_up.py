"""Signing up: a person, an account and its subscription, together or not at all."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from subscriptions.models import UserSubscription
from tests.support.cast import a_user
from tests.support.subscribing import load_catalog
from usage.models import Account, Member

pytestmark = pytest.mark.django_db

FORM = {
    "company": "Acme Research",
    "username": "alice",
    "email": "alice@example.com",
    "password1": "battery staple 42",
    "password2": "battery staple 42",
}


def sign_up(client: Client, **fields: str) -> str:
    return client.post("/sign-up/", {**FORM, **fields}, follow=True).content.decode()


def test_a_newcomer_owns_an_account_on_the_default_plan_and_is_logged_in(client: Client) -> None:
    load_catalog()

    assert "Acme Research" in sign_up(client)

    member = Member.objects.get()
    assert (member.user.username, member.role, member.account.name) == ("alice", "owner", "Acme Research")
    subscription = UserSubscription.objects.get(account=member.account)
    assert (subscription.plan.key, subscription.state) == ("free", "active")
    assert member.account.limits.filter(name="gemini_calls").get().amount == 50


def test_without_a_default_plan_the_account_has_no_subscription(client: Client) -> None:
    sign_up(client)

    assert Account.objects.get().name == "Acme Research"
    assert not UserSubscription.objects.exists()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"company": ""}, "This field is required"),
        ({"email": ""}, "This field is required"),
        ({"password2": "something else"}, "didn’t match"),
        ({"password1": "password", "password2": "password"}, "too common"),
        ({"company": "x" * 201}, "at most 200 characters"),
        ({"company": "a\x00b"}, "Null characters are not allowed"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_made(client: Client, fields: dict[str, str], told: str) -> None:
    assert told in sign_up(client, **fields)

    assert not User.objects.exists()
    assert not Account.objects.exists()


def test_a_name_that_looks_like_another_is_that_one(client: Client) -> None:
    sign_up(client, username="ａlice")

    assert User.objects.get().username == "alice"


def test_a_taken_name_is_told(client: Client) -> None:
    a_user("alice")

    assert "already exists" in sign_up(client)
    assert not Account.objects.exists()


def test_the_page_does_not_exist_where_customers_cannot_sign_up(client: Client, settings: Settings) -> None:
    settings.SIGN_UP = False

    assert client.get("/sign-up/").status_code == 404
    assert client.post("/sign-up/", FORM).status_code == 404
    assert not User.objects.exists()


def test_who_is_logged_in_goes_to_the_usage_page(client: Client) -> None:
    client.force_login(a_user("bob"))

    assert client.get("/sign-up/").headers["Location"] == "/"
