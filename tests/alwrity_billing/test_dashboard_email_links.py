"""The pages that links in emails lead to, for people who are not logged in, scanners and mail programs."""

import re
from collections.abc import Callable

import pytest
from django.core.signing import Signer
from django.test import Client

from alerts import confirming, unsubscribe_links
from alerts.models import AlertChannel, ChannelState, EmailMode, MemberAlertSettings
from tests.support.cast import a_member, an_account
from tests.support.email_channels import an_email_channel
from usage.models import Member

pytestmark = pytest.mark.django_db


@pytest.fixture
def strict() -> Client:
    """Anybody's, and one that CSRF is checked for."""
    return Client(enforce_csrf_checks=True)


def a_members_page() -> str:
    member = Member.objects.get(user=a_member(an_account(name="Acme & Sons")))
    return f"/alerts/unsubscribe/{unsubscribe_links.member_token(member.pk, email='alice@example.com')}/"


def an_addresses_page(state: ChannelState = ChannelState.ACTIVE) -> str:
    channel = an_email_channel(an_account(), state=state)
    return f"/alerts/unsubscribe/{unsubscribe_links.channel_token(channel.pk, email='ops@example.com')}/"


def a_confirmation_page(state: ChannelState = ChannelState.UNCONFIRMED) -> str:
    channel = an_email_channel(an_account(), state=state)
    return f"/alerts/confirm/{confirming.token_for(channel.pk, email='ops@example.com')}/"


def words_of(client: Client, url: str, *, method: str = "get") -> str:
    """What the page's own part says."""
    page = getattr(client, method)(url)
    assert page.status_code == 200
    main = re.search(r"<main.*</main>", page.content.decode(), re.DOTALL)
    assert main is not None
    return " ".join(re.sub(r"<[^>]*>", " ", main[0]).split())


def test_a_look_unsubscribes_nobody(strict: Client) -> None:
    url = a_members_page()
    words = words_of(strict, url)
    assert words.startswith(
        "No more emails? Alerts of Acme &amp; Sons then no longer go to alice@example.com ."
    )
    assert strict.head(url).status_code == 200
    assert MemberAlertSettings.objects.count() == 0


def test_the_button_unsubscribes_a_member(strict: Client) -> None:
    url = a_members_page()

    words = words_of(strict, url, method="post")

    assert MemberAlertSettings.objects.get().email == EmailMode.NONE
    assert words.startswith("No more emails Alerts of Acme &amp; Sons no longer go to alice@example.com .")
    assert "choose so in your alert settings" in words
    assert b'href="/alerts/settings/?account=acme"' in strict.get(url).content
    assert words_of(strict, url) == words


def test_the_button_switches_an_added_address_off(strict: Client) -> None:
    words = words_of(strict, an_addresses_page(), method="post")

    channel = AlertChannel.objects.get()
    assert (channel.state, channel.disabled_reason) == ("disabled", "Unsubscribed by its recipient.")
    assert "ask an owner or a billing admin of Acme to switch this address on" in words


def test_a_mail_program_unsubscribes_by_one_post(strict: Client) -> None:
    body = "List-Unsubscribe=One-Click"

    answer = strict.post(a_members_page(), body, content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 200
    assert MemberAlertSettings.objects.get().email == EmailMode.NONE


def test_once_more_changes_nothing(strict: Client) -> None:
    url = an_addresses_page()

    assert words_of(strict, url, method="post") == words_of(strict, url, method="post")


def test_a_look_confirms_nothing(strict: Client) -> None:
    words = words_of(strict, a_confirmation_page())

    assert words.startswith(
        "Confirm this address Alerts of Acme about usage, budgets and payments will then go"
    )
    assert AlertChannel.objects.get().state == ChannelState.UNCONFIRMED


def test_the_button_confirms_the_address(strict: Client) -> None:
    url = a_confirmation_page()

    words = words_of(strict, url, method="post")

    assert words.startswith("Address confirmed Alerts of Acme now go to ops@example.com .")
    assert AlertChannel.objects.get().state == ChannelState.ACTIVE
    assert words_of(strict, url) == words


def test_an_address_that_was_switched_off_is_not_confirmed(strict: Client) -> None:
    words = words_of(strict, a_confirmation_page(ChannelState.DISABLED), method="post")

    assert words.startswith("This address is switched off Nothing is sent to ops@example.com .")
    assert AlertChannel.objects.get().state == ChannelState.DISABLED


def test_a_stranger_learns_nothing_from_a_token_of_their_own(strict: Client) -> None:
    """One that is not ours, one of a row that is not there, and one that is no token: all the same page."""
    member_url = a_members_page()
    forged = [
        member_url[:-2] + ("A" if member_url[-2] != "A" else "B") + "/",
        f"/alerts/unsubscribe/{Signer(key='guessed').sign('m1')}/",
        f"/alerts/unsubscribe/{unsubscribe_links.member_token(10**17, email='alice@example.com')}/",
        "/alerts/unsubscribe/x/",
        f"/alerts/confirm/{member_url.split('/')[3]}/",
        "/alerts/confirm/m1%00:x/",
    ]

    for url in forged:
        for method in ("get", "post"):
            answer = getattr(strict, method)(url)
            assert answer.status_code == 404
            assert "There is nothing here" in answer.content.decode()
            assert "alice" not in answer.content.decode()
    assert MemberAlertSettings.objects.count() == 0


@pytest.mark.parametrize("make", [a_members_page, an_addresses_page, a_confirmation_page])
def test_the_pages_are_kept_by_nobody_and_take_no_other_method(
    make: Callable[[], str], strict: Client
) -> None:
    url = make()

    assert "no-store" in strict.get(url)["Cache-Control"]
    assert strict.put(url).status_code == 405
