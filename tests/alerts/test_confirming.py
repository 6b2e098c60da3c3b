"""Confirming that alerts may be sent to an added address."""

from typing import Any

import pytest
from django.core import mail

from alerts import confirming, destinations, unsubscribe_links, unsubscribing
from alerts.core.messages import Undelivered
from alerts.models import AlertChannel, ChannelState
from alerts.recipient_tokens import UnknownToken
from tests.support.cast import NOW, an_account
from tests.support.email_channels import an_email_channel
from tests.support.mail_servers import a_mail_server

EMAIL = "ops@example.com"
LINK = "https://billing.example.com/alerts/confirm/c1:x/"


def a_token(state: ChannelState = ChannelState.UNCONFIRMED) -> str:
    return confirming.token_for(an_email_channel(an_account(), state=state).pk, email=EMAIL)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ChannelState.UNCONFIRMED, ChannelState.ACTIVE),
        (ChannelState.ACTIVE, ChannelState.ACTIVE),
        (ChannelState.DISABLED, ChannelState.DISABLED),
    ],
)
def test_what_waits_becomes_active_and_what_was_switched_off_stays_so(
    before: ChannelState, after: ChannelState
) -> None:
    address = confirming.read(a_token(before))
    assert (address.email, address.account_name, address.state) == (EMAIL, "Acme", before)

    destinations.confirm(address.channel, at=NOW)

    assert AlertChannel.objects.get().state == after


@pytest.mark.django_db
def test_whoever_unsubscribed_is_not_confirmed_by_an_older_look() -> None:
    address = confirming.read(a_token())
    token = unsubscribe_links.channel_token(address.channel.pk, email=EMAIL)
    unsubscribing.unsubscribe(unsubscribing.read(token), at=NOW)

    destinations.confirm(address.channel, at=NOW)

    assert AlertChannel.objects.get().state == ChannelState.DISABLED


@pytest.mark.django_db
def test_a_token_is_for_one_channel_and_address() -> None:
    channel = an_email_channel(None, state=ChannelState.UNCONFIRMED)
    tokens = [
        confirming.token_for(channel.pk + 1, email=EMAIL),
        confirming.token_for(channel.pk, email="eve@example.com"),
        unsubscribe_links.channel_token(channel.pk, email=EMAIL),
        unsubscribe_links.member_token(channel.pk, email=EMAIL),
    ]

    for token in tokens:
        with pytest.raises(UnknownToken):
            confirming.read(token)


def test_the_mail_asks_with_the_link() -> None:
    confirming.send_confirmation(EMAIL, account_name="Acme\nBcc: eve@example.com", link=LINK, at=NOW)

    [sent] = mail.outbox
    assert sent.recipients() == [EMAIL]
    assert sent.subject == "Confirm this address for alerts"
    assert LINK in sent.body
    assert "Somebody at Acme Bcc: eve@example.com would like" in sent.body
    assert sent.message()["List-Unsubscribe"] is None


def test_a_refused_address_is_told_at_once(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with a_mail_server(RCPT="550 no such user") as port:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        with pytest.raises(Undelivered) as undelivered:
            confirming.send_confirmation(EMAIL, account_name="Acme", link=LINK, at=NOW)

    assert undelivered.value.is_final
