"""/api/usage/alerts/channels"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client

from alerts import destinations
from alerts.models import AlertChannel, AlertDelivery, ChannelState
from tests.support.alerting import a_delivery, an_alert, channel_of
from tests.support.alerts_api import ALERTS, an_admin_key, permit, staff
from tests.support.cast import NOW, a_member, an_account
from tests.support.channel_kinds import a_pigeon
from tests.support.concurrency import at_once
from tests.support.credentials import a_key
from tests.support.email_channels import an_email_channel
from tests.support.mail_servers import a_mail_server
from tests.support.posting import Posted, delete, look, post
from usage.models import Account, Role

CHANNELS = f"{ALERTS}/channels"
ACTIONS = ("test", "enable", "disable", "rotate-secret", "confirm-again")
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pigeons")]


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        yield an_account()


@pytest.fixture
def key(acme: Account) -> str:
    return an_admin_key(acme)


@pytest.fixture
def pigeon(acme: Account) -> AlertChannel:
    return a_pigeon(acme)


def add(kind: str, address: str, **credential: Any) -> Posted:
    return post(CHANNELS, {"kind": kind, "address": address}, **credential)


def act(channel: AlertChannel, action: str, **credential: Any) -> Posted:
    return post(f"{CHANNELS}/{channel.pk}/{action}", **credential)


def secrets_of(channel: AlertChannel, *, later: timedelta = timedelta()) -> tuple[str, ...]:
    channel.refresh_from_db()
    return destinations.destination_of(channel, "", at=NOW + later).secrets


def test_a_channel_is_added_and_its_secret_shown_this_once(key: str) -> None:
    answer = add("pigeon", "loft:north", key=key)

    channel = AlertChannel.objects.get(kind="pigeon")
    secret = answer.body.pop("secret")
    assert (answer.status, secrets_of(channel)) == (201, (secret,))
    assert answer.body == {
        "id": channel.pk,
        "kind": "pigeon",
        "name": "Pigeon",
        "address": "loft:north",
        "state": "active",
        "disabled_reason": "",
        "last_delivered_at": None,
        "signed": True,
    }
    assert answer.body in look(ALERTS, key=key).body["channels"]


def test_one_that_is_not_signed_has_no_secret_and_an_email_address_waits(key: str) -> None:
    body = add("letter", "to:bob", key=key).body

    assert "secret" not in body
    assert (body["state"], body["signed"]) == ("unconfirmed", False)


def test_the_owner_of_an_email_address_is_asked(key: str) -> None:
    body = add("email", "ops@example.com", key=key).body

    assert body["state"] == "unconfirmed"
    assert body["confirmation"] == {"asked_at": "2026-03-15T12:00:00Z", "sent": True, "error": ""}
    assert [sent.to for sent in mail.outbox] == [["ops@example.com"]]


def test_a_mail_that_cannot_be_sent_is_told_and_the_channel_is_there(key: str, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with a_mail_server(RCPT="451 later") as port:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        answer = add("email", "ops@example.com", key=key)

    assert (answer.status, answer.body["state"]) == (201, "unconfirmed")
    told = answer.body["confirmation"]
    assert (told["sent"], told["error"]) == (False, "The mail server put this address off (451).")


def test_the_owner_is_asked_again_after_ten_minutes(key: str) -> None:
    channel = AlertChannel(pk=add("email", "ops@example.com", key=key).body["id"])

    with time_machine.travel(NOW + timedelta(minutes=9), tick=False):
        answer = act(channel, "confirm-again", key=key)
    assert (answer.status, answer.body["code"]) == (409, "confirmation_too_soon")
    assert answer.headers["retry-after"] == "60"
    with time_machine.travel(NOW + timedelta(minutes=10), tick=False):
        answer = act(channel, "confirm-again", key=key)
    assert (answer.status, answer.body["confirmation"]["sent"]) == (200, True)
    assert len(mail.outbox) == 2


def test_what_does_not_wait_for_its_owner_asks_nobody(pigeon: AlertChannel, key: str) -> None:
    assert act(pigeon, "confirm-again", key=key).body["code"] == "channel_not_unconfirmed"


def test_an_address_whose_owner_unsubscribed_waits_for_them_when_switched_on(acme: Account, key: str) -> None:
    channel = an_email_channel(acme)
    destinations.unsubscribe(channel, reason="Unsubscribed by its recipient.")

    body = act(channel, "enable", key=key).body

    assert (body["state"], body["confirmation"]["sent"]) == ("unconfirmed", True)


def test_the_same_address_is_a_channel_once(pigeon: AlertChannel, key: str) -> None:
    answer = add("pigeon", "loft:north", key=key)

    assert (answer.status, answer.body["code"]) == (409, "channel_exists")


def test_there_are_twenty_channels_at_most(acme: Account, key: str) -> None:
    for number in range(destinations.MOST_CHANNELS - 1):
        a_pigeon(acme, f"loft:{number}")

    assert add("pigeon", "loft:twentieth", key=key).status == 201
    answer = add("pigeon", "loft:one too many", key=key)
    assert (answer.status, answer.body["code"]) == (409, "too_many_channels")


@pytest.mark.django_db(transaction=True)
def test_of_four_who_add_the_twentieth_at_once_one_does(acme: Account, key: str) -> None:
    for number in range(destinations.MOST_CHANNELS - 3):
        a_pigeon(acme, f"loft:{number}")
    destinations.all_of(acme, at=NOW)

    answers = at_once(lambda number: add("pigeon", f"loft:twentieth {number}", key=key).status, times=4)
    assert sorted(answers) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"kind": "owl", "address": "loft:north"}, "/kind"),
        ({"kind": "in_app", "address": ""}, "/kind"),
        ({"kind": "log", "address": ""}, "/kind"),
        ({"kind": 1, "address": "loft:north"}, "/kind"),
        ({"kind": "pigeon", "address": "roof:north"}, "/address"),
        ({"kind": "pigeon", "address": "loft:\x00"}, "/address"),
        ({"kind": "pigeon", "address": "loft:" + "x" * 2_000}, "/address"),
        ({"kind": "pigeon"}, "/address"),
        ({"address": "loft:north"}, "/kind"),
        ({"kind": "pigeon", "address": "loft:north", "secret": "mine"}, "/secret"),
    ],
)
def test_a_field_that_is_wrong_or_unknown_is_named(key: str, body: Any, pointer: str) -> None:
    answer = post(CHANNELS, body, key=key)

    assert (answer.status, answer.body["pointer"]) == (400, pointer)
    assert answer.error.startswith(f"{pointer}: ")
    assert not AlertChannel.objects.filter(kind="pigeon").exists()


def test_a_channel_is_removed_with_its_log(acme: Account, pigeon: AlertChannel, key: str) -> None:
    a_delivery(an_alert(acme), pigeon)
    address = f"{CHANNELS}/{pigeon.pk}"

    assert (delete(address, key=key).status, delete(address, key=key).status) == (204, 404)
    assert not AlertDelivery.objects.exists()


@pytest.mark.parametrize("kind", ["in_app", "email"])
def test_what_is_always_there_is_neither_removed_nor_switched_off(acme: Account, key: str, kind: str) -> None:
    destinations.all_of(acme, at=NOW)
    channel = channel_of(acme, kind)

    for answer in (delete(f"{CHANNELS}/{channel.pk}", key=key), act(channel, "disable", key=key)):
        assert (answer.status, answer.body["code"]) == (409, "channel_is_built_in")
    channel.refresh_from_db()
    assert channel.state == "active"


def test_one_switched_off_gives_up_what_waits_and_keeps_its_reason(
    acme: Account, pigeon: AlertChannel
) -> None:
    delivery = a_delivery(an_alert(acme), pigeon)
    alice, bob = a_member(acme), a_member(acme, username="bob")

    first = act(pigeon, "disable", user=alice)
    assert (first.body["state"], first.body["disabled_reason"]) == ("disabled", "Switched off by alice.")
    assert act(pigeon, "disable", user=bob).body == first.body
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error) == (
        "parked",
        "The channel was switched off: Switched off by alice.",
    )


def test_one_switched_on_again_is_delivered_to(pigeon: AlertChannel, key: str) -> None:
    act(pigeon, "disable", key=key)

    for _ in range(2):
        body = act(pigeon, "enable", key=key).body
        assert (body["state"], body["disabled_reason"]) == ("active", "")


def test_an_address_that_waits_for_its_owner_cannot_be_switched_on(acme: Account, key: str) -> None:
    letter, _ = destinations.add(acme, kind="letter", address="to:bob", at=NOW, by="alice")

    answer = act(letter, "enable", key=key)
    assert (answer.status, answer.body["code"]) == (409, "channel_unconfirmed")
    letter.refresh_from_db()
    assert letter.state == ChannelState.UNCONFIRMED


def test_with_a_new_secret_the_one_before_works_for_a_day(pigeon: AlertChannel, key: str) -> None:
    [old] = secrets_of(pigeon)

    body = act(pigeon, "rotate-secret", key=key).body
    assert body == {"secret": body["secret"], "previous_works_until": "2026-03-16T12:00:00Z"}
    almost, over = timedelta(hours=24, microseconds=-1), timedelta(hours=24)
    assert secrets_of(pigeon, later=almost) == (body["secret"], old)
    assert secrets_of(pigeon, later=over) == (body["secret"],)


def test_what_is_not_signed_has_no_secret_to_change(acme: Account, key: str) -> None:
    letter, _ = destinations.add(acme, kind="letter", address="to:bob", at=NOW, by="alice")

    assert act(letter, "rotate-secret", key=key).body["code"] == "channel_not_signed"


def test_a_test_goes_to_this_channel_alone(acme: Account, pigeon: AlertChannel, key: str) -> None:
    a_pigeon(acme, "loft:south")

    answer = act(pigeon, "test", key=key)
    [sent] = answer.body["deliveries"]
    assert (answer.status, sent["channel_id"], sent["type"], sent["state"]) == (
        202,
        pigeon.pk,
        "test",
        "waiting",
    )
    assert look(f"{ALERTS}/deliveries", key=key).body["deliveries"] == [sent]
    assert look("/api/subscription/alerts/acme", key=key).data["total"] == 0


def test_a_second_test_is_told_how_long_to_wait(pigeon: AlertChannel, key: str) -> None:
    act(pigeon, "test", key=key)

    with time_machine.travel(NOW + timedelta(seconds=3), tick=False):
        answer = act(pigeon, "test", key=key)
    assert (answer.status, answer.body["code"], answer.headers["retry-after"]) == (409, "test_too_soon", "7")
    with time_machine.travel(NOW + timedelta(seconds=10), tick=False):
        assert act(pigeon, "test", key=key).status == 202


def test_one_that_is_switched_off_is_switched_on_before_it_is_tested(pigeon: AlertChannel, key: str) -> None:
    act(pigeon, "disable", key=key)

    answer = act(pigeon, "test", key=key)
    assert (answer.status, answer.body["code"]) == (409, "channel_not_active")
    assert answer.error == "Nothing is delivered to this channel now: first switch it on."


def test_the_inbox_needs_no_test(acme: Account, key: str) -> None:
    destinations.all_of(acme, at=NOW)

    answer = act(channel_of(acme, "in_app"), "test", key=key)
    assert (answer.status, answer.body["code"]) == (409, "test_not_needed")


def test_channels_of_others_are_the_same_as_missing_ones(key: str) -> None:
    theirs = a_pigeon(an_account("globex"))
    missing = AlertChannel(pk=theirs.pk + 1)

    for action in ACTIONS:
        found, none = act(theirs, action, key=key), act(missing, action, key=key)
        assert found.status == none.status == 404
        assert found.body == none.body
    assert delete(f"{CHANNELS}/{theirs.pk}", key=key).status == 404
    theirs.refresh_from_db()
    assert theirs.state == "active"


@pytest.mark.parametrize("channel_id", ["9999999999999999999", "1" * 5_000, "x"])
def test_an_id_that_no_channel_can_have_is_a_missing_one(key: str, channel_id: str) -> None:
    client = Client(headers={"X-API-Key": key})
    assert client.post(f"{CHANNELS}/{channel_id}/enable").status_code == 404


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_members_who_only_read_change_no_channel(acme: Account, pigeon: AlertChannel, role: Role) -> None:
    refuse_all(pigeon, user=a_member(acme, role=role))


def test_a_key_that_only_reads_changes_no_channel(acme: Account, pigeon: AlertChannel) -> None:
    refuse_all(pigeon, key=a_key(acme).plain)


def test_a_stranger_changes_no_channel(pigeon: AlertChannel) -> None:
    refuse_all(pigeon, query="?user_id=acme", user=a_member(an_account("globex"), username="mallory"))


def test_staff_need_the_permission(pigeon: AlertChannel) -> None:
    sam = staff()
    refuse_all(pigeon, query="?user_id=acme", user=sam)

    permit(sam)
    for action in ACTIONS:
        # It waits for nobody's confirmation.
        done = (409,) if action == "confirm-again" else (200, 202)
        assert act(pigeon, f"{action}?user_id=acme", user=sam).status in done
    answer = post(f"{CHANNELS}?user_id=acme", {"kind": "pigeon", "address": "loft:sam"}, user=sam)
    assert answer.status == 201
    assert AlertChannel.objects.get(pk=answer.body["id"]).created_by == "our staff"
    assert delete(f"{CHANNELS}/{pigeon.pk}?user_id=acme", user=sam).status == 204


def test_without_a_credential_nothing_is_changed(pigeon: AlertChannel) -> None:
    refuse_all(pigeon, status=401)


def refuse_all(pigeon: AlertChannel, *, query: str = "", status: int = 403, **credential: Any) -> None:
    """Every change of a channel is refused, and nothing happens."""
    wanted = {"kind": "pigeon", "address": "loft:new"}
    assert post(f"{CHANNELS}{query}", wanted, **credential).status == status
    assert delete(f"{CHANNELS}/{pigeon.pk}{query}", **credential).status == status
    for action in ACTIONS:
        assert act(pigeon, f"{action}{query}", **credential).status == status
    [left] = AlertChannel.objects.filter(kind="pigeon")
    assert (left.state, secrets_of(left)) == ("active", secrets_of(pigeon))
    assert not AlertDelivery.objects.exists()
