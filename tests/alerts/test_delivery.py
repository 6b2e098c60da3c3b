"""Deliveries arrive in order, once, later when they must, and a dead channel holds up no other."""

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection

from alerts import delivery, destinations, evaluation, planning, preferences
from alerts.core.retries import WAITS
from alerts.models import AlertChannel, ChannelState, DeliveryState, EmailMode
from tests.support.alerting import a_limit, channel_of, deliveries, limited, look, raised, use
from tests.support.cast import NOW, a_member
from tests.support.concurrency import at_once
from tests.support.paying import a_card
from tests.support.processes import wait_until
from tests.support.receivers import Answer, Receiver, receiving
from tests.support.recording import prepare
from usage.models import Account, Member, Role

SECOND = timedelta(seconds=1)
BROKEN, FINE = Answer(status=500), Answer(status=200)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("private_allowed")]


@pytest.fixture
def acme() -> Account:
    prepare()
    return Account.objects.get(external_id="acme")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(FINE) as server:
        yield server


def a_webhook(account: Account, server: Receiver) -> AlertChannel:
    return destinations.add(account, kind="webhook", address=server.url, at=NOW, by="tests")[0]


def three_alerts(account: Account) -> None:
    limited(account, a_limit(amount="10"))
    use(10)
    look(account)


def deliver(*, at: object = NOW) -> int:
    return delivery.deliver_due(clock=lambda: at, limit=100)  # type: ignore[arg-type,return-value]


def in_a_thread() -> None:
    try:
        deliver()
    finally:
        connection.close()


def arrived(server: Receiver) -> list[str]:
    return [request.headers["webhook-id"] for request in server.received]


def ids(channel: AlertChannel) -> list[str]:
    return [f"msg_{each.pk.hex}" for each in deliveries(channel=channel)]


def test_alerts_arrive_once_and_in_their_order(acme: Account, receiver: Receiver) -> None:
    webhook = a_webhook(acme, receiver)
    three_alerts(acme)
    assert deliver() == 3
    assert arrived(receiver) == ids(webhook)
    assert [each.state for each in deliveries()] == ["sent"] * 6
    assert deliver() == 0
    assert len(receiver.received) == 3


def test_an_alert_is_in_the_inbox_at_once_and_is_sent_when_it_has_gone_out(
    acme: Account, receiver: Receiver
) -> None:
    a_webhook(acme, receiver)
    three_alerts(acme)
    assert {each.state for each in deliveries(channel__kind="in_app")} == {"sent"}
    assert [alert.is_sent for alert in raised()] == [False] * 3
    deliver()
    assert [alert.sent_at for alert in raised()] == [NOW] * 3


def test_what_fails_twice_arrives_the_third_time_under_the_same_id(acme: Account) -> None:
    with receiving(BROKEN, BROKEN, FINE) as server:
        webhook = a_webhook(acme, server)
        limited(acme, a_limit(amount="10"))
        use(8)
        look(acme)
        deliver()
        (first,) = deliveries(channel=webhook)
        assert (first.state, first.attempts, first.status_code) == ("waiting", 1, 500)
        assert first.next_attempt_at is not None
        assert WAITS[0] <= first.next_attempt_at - NOW < 1.2 * WAITS[0]
        assert deliver(at=first.next_attempt_at - timedelta(microseconds=1)) == 0
        assert deliver(at=first.next_attempt_at) == 1
        (second,) = deliveries(channel=webhook)
        assert deliver(at=second.next_attempt_at) == 1
        assert arrived(server) == ids(webhook) * 3
        (third,) = deliveries(channel=webhook)
        assert (third.state, third.attempts, third.status_code, third.error) == ("sent", 3, 200, "")


def test_behind_a_failure_the_others_wait_a_moment_and_keep_their_order(acme: Account) -> None:
    with receiving(BROKEN, FINE) as server:
        webhook = a_webhook(acme, server)
        three_alerts(acme)
        assert deliver() == 1
        (failed, *_) = deliveries(channel=webhook)
        assert deliver(at=failed.next_attempt_at) == 3
        assert arrived(server) == [ids(webhook)[0], *ids(webhook)]


@pytest.mark.django_db(transaction=True)
def test_a_channel_that_is_dead_holds_up_no_other(acme: Account, receiver: Receiver) -> None:
    with receiving(Answer(body=b"okay", drips_s=60, in_head=True)) as slow:
        a_webhook(acme, slow)
        fast = a_webhook(acme, receiver)
        three_alerts(acme)
        worker = threading.Thread(target=in_a_thread)
        worker.start()
        assert wait_until(lambda: arrived(receiver) == ids(fast), seconds=20)
        assert worker.is_alive()
        # It breaks off, sooner than the worker would.
        slow.stopping.set()
        worker.join()
        assert len(slow.received) == 1


def test_after_the_last_attempt_it_is_given_up_with_the_reason_and_can_be_tried_again(acme: Account) -> None:
    with receiving(BROKEN) as server:
        webhook = a_webhook(acme, server)
        limited(acme, a_limit(amount="10"))
        use(8)
        look(acme)
        at = NOW
        for _ in range(len(WAITS)):
            deliver(at=at)
            (row,) = deliveries(channel=webhook)
            AlertChannel.objects.filter(pk=webhook.pk).update(failing_since=None)
            assert row.next_attempt_at is not None
            at = row.next_attempt_at
        deliver(at=at)
        (row,) = deliveries(channel=webhook)
        assert (row.state, row.attempts) == ("parked", len(WAITS) + 1)
        assert "500" in row.error
        server.answers[:] = [FINE]
        assert planning.retry(row, at=at)
        deliver(at=at + timedelta(minutes=1))
        assert deliveries(channel=webhook)[0].state == DeliveryState.SENT
        assert arrived(server) == ids(webhook) * (len(WAITS) + 2)


def test_a_channel_that_failed_for_three_days_is_switched_off_and_can_be_switched_on(acme: Account) -> None:
    with receiving(BROKEN) as server:
        webhook = a_webhook(acme, server)
        limited(acme, a_limit(amount="10"))
        use(8)
        look(acme)
        deliver()
        later = NOW + delivery.DISABLED_AFTER
        deliver(at=later)
        webhook.refresh_from_db()
        assert webhook.state == ChannelState.DISABLED
        assert "500" in webhook.disabled_reason
        (row,) = deliveries(channel=webhook)
        assert row.state == DeliveryState.PARKED
        use(1, since=8)
        look(acme)
        assert len(deliveries(channel=webhook)) == 1
        destinations.enable(webhook)
        use(1, since=9)
        look(acme)
        assert len(deliveries(channel=webhook)) == 2


def test_a_destination_that_is_gone_is_switched_off_at_once(acme: Account) -> None:
    with receiving(Answer(status=410)) as server:
        webhook = a_webhook(acme, server)
        three_alerts(acme)
        deliver()
        webhook.refresh_from_db()
        assert webhook.state == ChannelState.DISABLED
        assert {each.state for each in deliveries(channel=webhook)} == {"parked"}
        assert len(server.received) == 1


def test_members_get_emails_as_they_wish(acme: Account) -> None:
    a_member(acme, username="owner")
    a_member(acme, username="reader", role=Role.VIEWER)
    a_member(acme, username="calm", role=Role.BILLING_ADMIN)
    calm = Member.objects.get(user__username="calm")
    preferences.choose_email(calm, EmailMode.DIGEST, at=NOW)
    three_alerts(acme)
    deliver()
    assert [each.to for each in mail.outbox] == [["owner@example.com"]] * 3
    mail.outbox.clear()
    deliver(at=planning.next_digest(NOW) - SECOND)
    assert mail.outbox == []
    deliver(at=planning.next_digest(NOW))
    assert [each.to for each in mail.outbox] == [["calm@example.com"]]
    assert "3 alerts" in mail.outbox[0].subject
    assert {each.state for each in deliveries()} == {"sent"}


def test_what_an_account_has_muted_goes_out_by_the_other_channels_only(
    acme: Account, receiver: Receiver
) -> None:
    a_member(acme)
    webhook = a_webhook(acme, receiver)
    preferences.mute(acme, {"limit_threshold": ["webhook"]})
    three_alerts(acme)
    assert {each.channel for each in deliveries()} == {webhook}
    assert [alert.is_shown for alert in raised()] == [False] * 3


def test_what_a_member_has_muted_goes_to_the_others(acme: Account) -> None:
    a_member(acme, username="owner")
    a_member(acme, username="other")
    preferences.choose_rules(Member.objects.get(user__username="other"), ["invoice_ready"])
    three_alerts(acme)
    assert {each.recipient for each in deliveries(channel__kind="email")} == {"owner@example.com"}


def test_members_who_share_an_address_get_one_mail_of_each_alert(acme: Account) -> None:
    for name in ("calm", "owner"):
        user = a_member(acme, username=name)
        user.email = "team@example.com" if name == "owner" else "Team@example.com"
        user.save(update_fields=["email"])
    preferences.choose_email(Member.objects.get(user__username="calm"), EmailMode.DIGEST, at=NOW)
    three_alerts(acme)

    assert [(each.recipient, each.is_digest) for each in deliveries(channel__kind="email")] == [
        ("Team@example.com", False)
    ] * 3


@pytest.mark.parametrize("mode", [EmailMode.EACH, EmailMode.DIGEST])
def test_what_waits_for_a_member_who_unsubscribed_does_not_go_out(acme: Account, mode: EmailMode) -> None:
    a_member(acme)
    alice = Member.objects.get()
    preferences.choose_email(alice, mode, at=NOW)
    three_alerts(acme)

    preferences.choose_email(alice, EmailMode.NONE, at=NOW)
    deliver(at=planning.next_digest(NOW))

    assert mail.outbox == []
    waited = deliveries(channel__kind="email")
    assert [(each.state, each.error) for each in waited] == [("parked", delivery.UNWANTED)] * 3
    assert channel_of(acme, "email").failing_since is None
    # Trying it again is no way around.
    planning.retry(waited[0], at=NOW)
    deliver(at=planning.next_digest(NOW))
    assert mail.outbox == []


def test_what_waits_for_an_address_that_somebody_else_still_reads_goes_out(acme: Account) -> None:
    for name in ("alice", "bob"):
        user = a_member(acme, username=name)
        user.email = "team@example.com"
        user.save(update_fields=["email"])
    three_alerts(acme)

    preferences.choose_email(Member.objects.get(user__username="alice"), EmailMode.NONE, at=NOW)
    deliver()

    assert len(mail.outbox) == 3


def test_what_waits_for_somebody_who_left_does_not_go_out(acme: Account) -> None:
    a_member(acme)
    three_alerts(acme)

    Member.objects.all().delete()
    deliver()

    assert mail.outbox == []


def test_alerts_for_staff_are_in_the_log(acme: Account, caplog: pytest.LogCaptureFixture) -> None:
    a_card(acme, push_error="No such customer.")
    evaluation.sweep(at=NOW)
    with caplog.at_level(logging.ERROR, logger="alerts.channels.log"):
        deliver()
    (line,) = caplog.messages
    assert "push_parked, staff" in line
    assert "Stripe refused 1 billing profiles" in line
    assert channel_of(None, "log").last_delivered_at == NOW


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_deliver_each_once_and_in_order(acme: Account, receiver: Receiver) -> None:
    webhooks = [a_webhook(acme, receiver)]
    three_alerts(acme)
    assert sum(at_once(lambda number: deliver(), times=4)) == 3
    assert arrived(receiver) == ids(webhooks[0])
