"""A test goes to one channel alone, and not too often."""

from datetime import timedelta

import pytest

from alerts import destinations, testing
from alerts.channels import CHANNELS
from alerts.models import AlertChannel, UsageAlert
from tests.support.alerting import channel_of, deliveries
from tests.support.cast import NOW, a_member, an_account
from tests.support.channel_kinds import LETTER, a_pigeon
from tests.support.concurrency import at_once
from usage.core.errors import Conflict
from usage.models import Account, Role

SECONDS = timedelta(seconds=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pigeons")]


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def loft(acme: Account) -> AlertChannel:
    a_pigeon(acme, "loft:south")
    return a_pigeon(acme)


def test_a_test_goes_to_its_channel_alone_and_is_not_in_the_inbox(acme: Account, loft: AlertChannel) -> None:
    alert = testing.send_test(loft, at=NOW)
    (delivery,) = deliveries()
    assert (delivery.channel, delivery.alert, delivery.next_attempt_at) == (loft, alert, NOW)
    assert (alert.rule, alert.is_shown, alert.account) == ("test", False, acme)


@pytest.mark.parametrize(("later", "tests"), [(9, 1), (10, 2)])
def test_within_ten_seconds_there_is_one_test(loft: AlertChannel, later: int, tests: int) -> None:
    testing.send_test(loft, at=NOW)
    if tests == 1:
        with pytest.raises(Conflict, match="wait ten seconds"):
            testing.send_test(loft, at=NOW + later * SECONDS)
    else:
        testing.send_test(loft, at=NOW + later * SECONDS)
    assert UsageAlert.objects.count() == tests


def test_channels_are_tested_each_by_itself(acme: Account, loft: AlertChannel) -> None:
    testing.send_test(loft, at=NOW)
    testing.send_test(a_pigeon(acme, "loft:west"), at=NOW)
    assert len(deliveries()) == 2


def test_nothing_is_sent_where_nothing_is_delivered(acme: Account, loft: AlertChannel) -> None:
    unconfirmed, _ = destinations.add(acme, kind="letter", address="to:bob", at=NOW, by="alice")
    destinations.disable(loft, reason="Moved.")
    for channel in (loft, unconfirmed):
        with pytest.raises(Conflict, match="Nothing is delivered"):
            testing.send_test(channel, at=NOW)
    assert not UsageAlert.objects.exists()


def test_the_inbox_needs_no_test(acme: Account) -> None:
    destinations.all_of(acme, at=NOW)
    with pytest.raises(Conflict, match="needs no test"):
        testing.send_test(channel_of(acme, "in_app"), at=NOW)


def test_emails_are_tested_where_somebody_gets_them(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHANNELS, destinations.MEMBERS, LETTER)  # type: ignore[arg-type]  # a dict, for us alone
    destinations.all_of(acme, at=NOW)
    a_member(acme, username="bob", role=Role.VIEWER)
    emails = channel_of(acme, destinations.MEMBERS)
    with pytest.raises(Conflict, match="Nobody gets emails yet"):
        testing.send_test(emails, at=NOW)
    assert not UsageAlert.objects.exists()

    a_member(acme)
    testing.send_test(emails, at=NOW)
    assert [delivery.recipient for delivery in deliveries()] == ["alice@example.com"]


@pytest.mark.parametrize(("later_ms", "wait_s"), [(0, 10), (1, 10), (1_000, 9), (9_999, 1)])
def test_one_too_soon_says_how_many_whole_seconds_to_wait(
    loft: AlertChannel, later_ms: int, wait_s: int
) -> None:
    testing.send_test(loft, at=NOW)
    with pytest.raises(Conflict) as refused:
        testing.send_test(loft, at=NOW + later_ms * timedelta(milliseconds=1))
    assert refused.value.details == {"retry_after": wait_s}


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_ask_at_once_one_sends_it(loft: AlertChannel) -> None:
    def ask(_: int) -> bool:
        try:
            testing.send_test(loft, at=NOW)
        except Conflict:
            return False
        return True

    assert sorted(at_once(ask, times=8)) == [False] * 7 + [True]
    assert UsageAlert.objects.count() == 1
