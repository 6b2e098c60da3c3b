"""Stopping emails without logging in."""

from typing import Any

import pytest

from alerts import confirming, preferences, unsubscribe_links, unsubscribing
from alerts.models import AlertChannel, ChannelState, EmailMode, MemberAlertSettings
from alerts.recipient_tokens import UnknownToken
from tests.support.cast import NOW, a_member, an_account
from tests.support.email_channels import an_email_channel
from tests.support.racing import by_clients, crowd
from usage.models import Account, Member

pytestmark = pytest.mark.django_db


def alice() -> Member:
    return Member.objects.get(user=a_member(an_account()))


def a_token() -> str:
    return unsubscribe_links.member_token(alice().pk, email="alice@example.com")


def is_unknown(token: str) -> bool:
    try:
        unsubscribing.read(token)
    except UnknownToken:
        return True
    return False


def test_a_member_gets_no_more_emails() -> None:
    token = a_token()
    recipient = unsubscribing.read(token)
    assert (recipient.email, recipient.account_name) == ("alice@example.com", "Acme")
    assert recipient.gets_emails

    unsubscribing.unsubscribe(recipient, at=NOW)

    assert not unsubscribing.read(token).gets_emails
    chosen = MemberAlertSettings.objects.get()
    assert (chosen.member, chosen.email, chosen.updated_at) == (recipient.member, EmailMode.NONE, NOW)


@pytest.mark.parametrize("mode", EmailMode)
def test_a_member_who_chose_before_gets_none_either(mode: EmailMode) -> None:
    token = a_token()
    MemberAlertSettings.objects.create(member=Member.objects.get(), email=mode, updated_at=NOW)

    recipient = unsubscribing.read(token)
    assert recipient.gets_emails == (mode != EmailMode.NONE)
    unsubscribing.unsubscribe(recipient, at=NOW)

    assert MemberAlertSettings.objects.get().email == EmailMode.NONE


@pytest.mark.django_db(transaction=True)
def test_a_person_and_their_mail_program_unsubscribe_at_the_same_moment() -> None:
    recipient = unsubscribing.read(a_token())

    with crowd():
        by_clients(lambda _: unsubscribing.unsubscribe(recipient, at=NOW), times=16, clients=8)

    assert MemberAlertSettings.objects.get().email == EmailMode.NONE


def test_an_address_that_members_share_gets_none_for_any_of_them() -> None:
    token, acme = a_token(), Account.objects.get()
    for name, email in (("bob", "Alice@example.com"), ("carol", "carol@example.com")):
        user = a_member(acme, username=name)
        user.email = email
        user.save(update_fields=["email"])

    unsubscribing.unsubscribe(unsubscribing.read(token), at=NOW)

    modes = {each.user.username: preferences.mode_of(each) for each in Member.objects.all()}
    assert modes == {"alice": EmailMode.NONE, "bob": EmailMode.NONE, "carol": EmailMode.EACH}
    assert not unsubscribing.read(token).gets_emails


def test_while_one_of_them_gets_emails_there_is_something_to_stop() -> None:
    token = a_token()
    bob = a_member(Account.objects.get(), username="bob")
    bob.email = "alice@example.com"
    bob.save(update_fields=["email"])

    preferences.choose_email(Member.objects.get(user__username="alice"), EmailMode.NONE, at=NOW)

    assert unsubscribing.read(token).gets_emails


def test_another_member_is_left_alone() -> None:
    token = a_token()
    bob = Member.objects.get(user=a_member(an_account("bolt"), username="bob"))
    MemberAlertSettings.objects.create(member=bob, email=EmailMode.EACH, updated_at=NOW)

    unsubscribing.unsubscribe(unsubscribing.read(token), at=NOW)

    assert MemberAlertSettings.objects.get(member=bob).email == EmailMode.EACH


@pytest.mark.parametrize("state", ChannelState)
def test_an_added_address_is_switched_off_whatever_it_was(state: ChannelState) -> None:
    channel = an_email_channel(an_account(), state=state)
    recipient = unsubscribing.read(unsubscribe_links.channel_token(channel.pk, email="ops@example.com"))
    assert recipient.gets_emails == (state != ChannelState.DISABLED)

    unsubscribing.unsubscribe(recipient, at=NOW)

    channel.refresh_from_db()
    assert channel.state == ChannelState.DISABLED
    assert channel.disabled_reason == "Unsubscribed by its recipient."


def test_an_address_of_our_staff_belongs_to_no_account() -> None:
    channel = an_email_channel(None)

    recipient = unsubscribing.read(unsubscribe_links.channel_token(channel.pk, email="ops@example.com"))

    assert (recipient.account_name, recipient.member) == ("", None)


def test_a_token_ends_with_what_it_was_made_for() -> None:
    member = alice()
    token = unsubscribe_links.member_token(member.pk, email="alice@example.com")
    assert not is_unknown(token)

    member.user.email = "new@example.com"
    member.user.save(update_fields=["email"])
    assert is_unknown(token)
    assert not is_unknown(unsubscribe_links.member_token(member.pk, email="new@example.com"))
    member.delete()
    assert is_unknown(token)


def test_a_token_for_one_is_none_for_another() -> None:
    member, channel = alice(), an_email_channel(None, email="alice@example.com")
    email = "alice@example.com"

    assert is_unknown(unsubscribe_links.member_token(member.pk + 1, email=email))
    assert is_unknown(unsubscribe_links.member_token(member.pk, email="eve@example.com"))
    assert is_unknown(unsubscribe_links.channel_token(channel.pk + 1, email=email))
    assert is_unknown(unsubscribe_links.channel_token(channel.pk, email="eve@example.com"))
    assert is_unknown(confirming.token_for(channel.pk, email=email))


def test_a_channel_without_a_readable_address_has_no_recipient() -> None:
    channel = an_email_channel(None)
    token = unsubscribe_links.channel_token(channel.pk, email="ops@example.com")
    for sealed in ("", "sealed with a key that is gone"):
        AlertChannel.objects.update(sealed_address=sealed)
        assert is_unknown(token)


def test_a_channel_of_another_kind_has_no_recipient() -> None:
    channel = an_email_channel(None)
    AlertChannel.objects.update(kind="webhook")

    assert is_unknown(unsubscribe_links.channel_token(channel.pk, email="ops@example.com"))


def test_the_link_is_absolute(settings: Any) -> None:
    settings.PUBLIC_URL = "https://billing.example.com"

    assert unsubscribe_links.link_for("m1:x") == "https://billing.example.com/alerts/unsubscribe/m1:x/"
