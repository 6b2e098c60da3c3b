import re

import pytest
from django.core import mail
from django.test import Client
from pytest_django.asserts import assertRedirects

from tests.support.cast import a_member, a_user, an_account

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse"
NEW_PASSWORD = "battery staple 42"


def log_in(client: Client, *, password: str = PASSWORD, after: str = "") -> str:
    """The body of the answer to a filled-in login form."""
    form = {"username": "alice", "password": password, "next": after}
    return client.post("/login/", form, follow=True).content.decode()


def test_logging_in_leads_to_the_usage_page(client: Client) -> None:
    a_member(an_account("acme", name="Acme Research"))
    assert "Acme Research" in log_in(client)


def test_logging_in_leads_where_the_person_wanted_to_go(client: Client) -> None:
    a_user()
    form = {"username": "alice", "password": PASSWORD, "next": "/password-change/"}
    assertRedirects(client.post("/login/", form), "/password-change/")


def test_the_form_remembers_where_the_person_wanted_to_go(client: Client) -> None:
    assert (
        'name="next" value="/?account=acme"' in client.get("/login/?next=/%3Faccount%3Dacme").content.decode()
    )


def test_logging_in_never_leads_to_another_site(client: Client) -> None:
    a_user()
    form = {"username": "alice", "password": PASSWORD, "next": "https://evil.example/"}
    assertRedirects(client.post("/login/", form), "/")


def test_whoever_is_logged_in_skips_the_form(client: Client) -> None:
    client.force_login(a_user())
    assertRedirects(client.get("/login/"), "/")


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(client: Client) -> None:
    unknown = log_in(client, password="wrong")
    a_user()
    wrong = log_in(client, password="wrong")
    strip = re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"')
    assert 'role="alert"' in wrong
    assert "<title>Error: Log in" in wrong
    assert strip.sub("", unknown) == strip.sub("", wrong)


def test_a_missing_field_is_named_and_tied_to_its_message(client: Client) -> None:
    body = client.post("/login/", {"username": "alice"}).content.decode()
    assert 'id="id_password_error"' in body
    assert re.search(r'<input[^>]*name="password"[^>]*aria-describedby="id_password_error"', body)
    assert re.search(r'<input[^>]*name="password"[^>]*aria-invalid="true"', body)


def test_logging_out_takes_a_post_and_ends_the_session(client: Client) -> None:
    client.force_login(a_user())
    assert client.get("/logout/").status_code == 405
    assertRedirects(client.post("/logout/"), "/login/")
    assertRedirects(client.get("/"), "/login/?next=/")


def test_a_forgotten_password_is_replaced_through_the_mail(client: Client) -> None:
    a_user()
    page = client.post("/password-reset/", {"email": "alice@example.com"}, follow=True).content.decode()
    assert "Check your email" in page
    message = mail.outbox[0]
    assert message.subject == "Choose a new password for ALwrity Billing"
    link = re.search(r"http://testserver(/password-reset/\S+)", str(message.body))
    assert link is not None
    form = client.get(link[1], follow=True)
    done = client.post(
        form.redirect_chain[-1][0],
        {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD},
        follow=True,
    )
    assert "Password saved" in done.content.decode()
    assert client.login(username="alice", password=NEW_PASSWORD)
    assert "This link no longer works" in Client().get(link[1], follow=True).content.decode()


def test_an_unknown_address_gets_the_same_answer_and_no_mail(client: Client) -> None:
    page = client.post("/password-reset/", {"email": "nobody@example.com"}, follow=True).content.decode()
    assert "Check your email" in page
    assert mail.outbox == []


def test_changing_the_password_keeps_this_session_and_ends_the_others(client: Client) -> None:
    user = a_user()
    elsewhere = Client()
    for session in (client, elsewhere):
        session.force_login(user)
    form = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert "Password changed" in client.post("/password-change/", form, follow=True).content.decode()
    assert client.get("/").status_code == 200
    assertRedirects(elsewhere.get("/"), "/login/?next=/")


def test_a_weak_new_password_is_refused_with_the_reason(client: Client) -> None:
    client.force_login(a_user())
    form = {"old_password": PASSWORD, "new_password1": "12345", "new_password2": "12345"}
    body = client.post("/password-change/", form).content.decode()
    assert "This password is too short" in body
    assert 'id="id_new_password2_error"' in body


def test_changing_the_password_needs_a_login(client: Client) -> None:
    assertRedirects(client.get("/password-change/"), "/login/?next=/password-change/")


def test_the_admin_keeps_its_own_pages(client: Client) -> None:
    client.force_login(a_user("staff", is_staff=True))
    assert "ALwrity <span" not in client.get("/admin/password_change/").content.decode()
