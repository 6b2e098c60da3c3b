"""Owners of email addresses are asked before alerts go there, and nobody is asked too often."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from alerts import adding, destinations, unsubscribe_links, unsubscribing, updating
from alerts.adding import APART, DAY, MOST_A_DAY, Added
from alerts.models import AlertChannel, ChannelState, ConfirmationMail
from alerts.updating import Update
from tests.support.cast import NOW, an_account
from tests.support.concurrency import at_once
from tests.support.email_channels import an_email_channel
from tests.support.mail_servers import a_mail_server
from usage.core.errors import Conflict
from usage.models import Account

pytestmark = pytest.mark.django_db

OPS = "ops@example.com"
MOMENT = timedelta(microseconds=1)
UNCONFIRMED, ACTIVE = ChannelState.UNCONFIRMED, ChannelState.ACTIVE


@pytest.fixture
def acme() -> Account:
    return an_account()


def add(account: Account, email: str = OPS, *, later: timedelta = timedelta()) -> Added:
    return adding.add(account, kind="email", address=email, at=NOW + later, by="alice")


def asked() -> list[str]:
    """Who was asked by a mail, in order."""
    return [sent.to[0] for sent in mail.outbox]


def unsubscribe(channel: AlertChannel) -> None:
    token = unsubscribe_links.channel_token(channel.pk, email=OPS)
    unsubscribing.unsubscribe(unsubscribing.read(token), at=NOW)


@contextmanager
def refusing(settings: Any, answer: str) -> Iterator[None]:
    """Mails go to a server that answers an address so."""
    with a_mail_server(RCPT=answer) as port:
        before = settings.EMAIL_BACKEND
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        yield
        settings.EMAIL_BACKEND = before


def test_the_owner_of_an_address_is_asked_and_alerts_go_there_once_they_confirm(
    acme: Account, client: Client
) -> None:
    added = add(acme)

    assert added.mail is not None
    assert (added.channel.state, added.secret) == (UNCONFIRMED, "")
    assert (added.mail.sent_at, added.mail.error, added.mail.asked_by) == (NOW, "", "alice")
    [sent] = mail.outbox
    assert sent.to == [OPS]
    link = re.search(r"http://127\.0\.0\.1:8000(/alerts/confirm/\S+)", str(sent.body))
    assert link is not None
    assert client.post(link[1]).status_code == 200
    added.channel.refresh_from_db()
    assert added.channel.state == ACTIVE


@pytest.mark.usefixtures("pigeons")
def test_no_owner_is_asked_about_a_url(acme: Account) -> None:
    added = adding.add(acme, kind="pigeon", address="loft:north", at=NOW, by="alice")

    assert (added.mail, added.channel.state, asked()) == (None, ACTIVE, [])


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("451 later", "The mail server put this address off (451)."),
        ("550 no such user", "The mail server refused this address (550)."),
    ],
)
def test_a_mail_that_fails_costs_no_channel_and_can_be_sent_again_at_once(
    acme: Account, settings: Any, answer: str, told: str
) -> None:
    with refusing(settings, answer):
        added = add(acme)
    assert added.mail is not None
    assert (added.mail.sent_at, added.mail.error) == (None, told)
    assert AlertChannel.objects.get(kind="email").state == UNCONFIRMED

    again = adding.ask_again(added.channel, at=NOW, by="alice")

    assert (again.sent_at, again.error, asked()) == (NOW, "", [OPS])
    assert adding.last_mails(acme) == {added.channel.pk: again}


def test_within_ten_minutes_an_address_is_not_asked_again(acme: Account) -> None:
    channel = add(acme).channel

    with pytest.raises(Conflict, match="wait until 15 March 2026, 12:10 UTC") as refused:
        adding.ask_again(channel, at=NOW + APART - MOMENT, by="alice")

    assert (refused.value.error_code, refused.value.details) == ("confirmation_too_soon", {"retry_after": 1})
    assert asked() == [OPS]


@pytest.mark.parametrize("later", [APART, APART + MOMENT])
def test_after_ten_minutes_it_is(acme: Account, later: timedelta) -> None:
    adding.ask_again(add(acme).channel, at=NOW + later, by="alice")

    assert asked() == [OPS, OPS]


@pytest.mark.parametrize("email", [OPS, "OPS@EXAMPLE.com"])
def test_whoever_adds_the_address_it_is_asked_once(acme: Account, email: str) -> None:
    destinations.remove(add(acme).channel)

    for account in (acme, an_account("globex")):
        with pytest.raises(Conflict, match="has just been asked"):
            add(account, email)

    assert not AlertChannel.objects.exists()
    assert asked() == [OPS]


def test_an_account_asks_twenty_times_a_day(acme: Account) -> None:
    for number in range(MOST_A_DAY):
        destinations.remove(add(acme, f"ops{number}@example.com").channel)

    with pytest.raises(Conflict, match="asked 20 times within a day") as refused:
        add(acme, later=DAY - MOMENT)
    assert (refused.value.error_code, refused.value.details) == ("too_many_confirmations", {"retry_after": 1})
    assert not AlertChannel.objects.exists()
    assert add(an_account("globex")).mail is not None

    add(acme, "next@example.com", later=DAY)
    assert asked()[-2:] == [OPS, "next@example.com"]
    # What is older than a day counts for nothing and is kept no longer.
    assert ConfirmationMail.objects.filter(account=acme).count() == 1


def test_mails_that_failed_count_for_the_day(acme: Account, settings: Any) -> None:
    with refusing(settings, "451 later"):
        channel = add(acme).channel
        for _ in range(MOST_A_DAY - 1):
            adding.ask_again(channel, at=NOW, by="alice")

    with pytest.raises(Conflict, match="asked 20 times"):
        adding.ask_again(channel, at=NOW, by="alice")


def test_whoever_unsubscribed_is_asked_before_anything_goes_there_again(acme: Account) -> None:
    channel = an_email_channel(acme)
    unsubscribe(channel)
    channel.refresh_from_db()

    asking = adding.enable(channel, at=NOW, by="alice")

    assert asking is not None
    assert (channel.state, asked()) == (UNCONFIRMED, [OPS])
    destinations.confirm(channel, at=NOW)
    assert channel.state == ACTIVE


def test_an_address_that_was_confirmed_and_switched_off_is_switched_on_without_asking(acme: Account) -> None:
    channel = an_email_channel(acme)
    destinations.switch_off(channel, by="alice")

    assert adding.enable(channel, at=NOW, by="alice") is None
    assert (channel.state, asked()) == (ACTIVE, [])


def test_switching_off_and_on_confirms_nothing(acme: Account) -> None:
    channel = add(acme).channel
    destinations.switch_off(channel, by="alice")

    # The owner was asked just now, so the channel stays off.
    with pytest.raises(Conflict, match="has just been asked"):
        adding.enable(channel, at=NOW, by="alice")
    channel.refresh_from_db()
    assert channel.state == ChannelState.DISABLED
    adding.enable(channel, at=NOW + APART, by="alice")
    assert channel.state == UNCONFIRMED


def test_our_staff_decide_about_their_own_addresses(acme: Account) -> None:
    channel = an_email_channel(None)
    unsubscribe(channel)
    channel.refresh_from_db()

    assert adding.enable(channel, at=NOW, by="sam") is None
    assert (channel.state, asked()) == (ACTIVE, [])


@pytest.mark.parametrize("state", [ChannelState.ACTIVE, ChannelState.DISABLED])
def test_only_an_address_that_waits_is_asked_again(acme: Account, state: ChannelState) -> None:
    with pytest.raises(Conflict, match="does not wait to be confirmed"):
        adding.ask_again(an_email_channel(acme, state=state), at=NOW, by="alice")
    assert asked() == []


def test_an_address_that_cannot_be_read_is_not_asked(acme: Account) -> None:
    channel = an_email_channel(acme, state=UNCONFIRMED)
    AlertChannel.objects.update(sealed_address="sealed with a key that is gone")

    with pytest.raises(Conflict, match="cannot be read any more"):
        adding.ask_again(channel, at=NOW, by="alice")


def test_once_the_mail_server_is_away_no_other_address_waits_for_it(acme: Account, settings: Any) -> None:
    channels = [an_email_channel(acme, email=f"ops{number}@example.com") for number in range(3)]
    for channel in channels:
        destinations.unsubscribe(channel, reason="Unsubscribed by its recipient.")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with a_mail_server() as port:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    # It is gone by now.
    mails = updating.update(
        acme, Update(channels=[(channel.pk, True) for channel in channels]), at=NOW, by="alice"
    )

    assert [each.error for each in mails] == ["The mail server could not be reached."] * 3
    assert {each.state for each in AlertChannel.objects.filter(kind="email")} == {UNCONFIRMED}


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_ask_at_once_one_does(acme: Account) -> None:
    channel = an_email_channel(acme, state=UNCONFIRMED)

    def ask(_: int) -> str:
        try:
            adding.ask_again(AlertChannel.objects.get(pk=channel.pk), at=NOW, by="alice")
        except Conflict as refused:
            return refused.error_code
        return "asked"

    assert sorted(at_once(ask, times=8)) == ["asked"] + ["confirmation_too_soon"] * 7
    assert ConfirmationMail.objects.count() == 1
