"""Alerts are read page by page, newest first; that one was read is noted once, and only by its account."""

from datetime import timedelta

import pytest

from alerts import inbox
from alerts.inbox import Show
from alerts.models import UsageAlert
from tests.support.alerting import an_alert
from tests.support.cast import NOW, an_account
from tests.support.concurrency import at_once
from usage.core.errors import NotFound
from usage.models import Account

LATER = NOW + timedelta(minutes=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Account:
    return an_account()


def titles(account: Account, *, limit: int = 10, **which: object) -> list[str]:
    return [alert.title for alert in inbox.page_of(account, limit=limit, **which).alerts]  # type: ignore[arg-type]


def read_at(alert: UsageAlert) -> object:
    alert.refresh_from_db()
    return alert.read_at


@pytest.mark.parametrize(
    ("alerts", "first", "second"),
    [
        (0, [], None),
        (1, ["0"], None),
        (2, ["1", "0"], None),
        (3, ["2", "1"], ["0"]),
        (4, ["3", "2"], ["1", "0"]),
    ],
)
def test_the_newest_come_first_and_two_stand_on_a_page(
    acme: Account, alerts: int, first: list[str], second: list[str] | None
) -> None:
    for number in range(alerts):
        an_alert(acme, str(number))
    page = inbox.page_of(acme, limit=2)
    assert [alert.title for alert in page.alerts] == first
    if second is None:
        assert page.older_than is None
    else:
        assert titles(acme, limit=2, older_than=page.older_than) == second


def test_those_of_others_and_those_that_are_not_shown_are_left_out(acme: Account) -> None:
    an_alert(acme, "ours")
    an_alert(acme, "hidden", is_shown=False)
    an_alert(an_account("globex"), "theirs")
    an_alert(None, "of staff")
    assert titles(acme) == ["ours"]
    assert inbox.unread_count(acme) == 1


def test_the_unread_and_the_open_can_be_looked_at_alone(acme: Account) -> None:
    an_alert(acme, "read and open", read_at=NOW)
    an_alert(acme, "unread and ended", ended_at=NOW)
    an_alert(acme, "an event", is_lasting=False)
    assert titles(acme, show=Show.UNREAD) == ["an event", "unread and ended"]
    assert titles(acme, show=Show.OPEN) == ["read and open"]


@pytest.mark.parametrize(("alerts", "counted"), [(0, 0), (1, 1), (99, 99), (100, 100), (101, 100)])
def test_more_than_a_hundred_unread_are_not_counted(acme: Account, alerts: int, counted: int) -> None:
    for _ in range(alerts):
        an_alert(acme)
    assert inbox.unread_count(acme) == counted


def test_an_alert_keeps_the_moment_it_was_first_read(acme: Account) -> None:
    alert = an_alert(acme)
    inbox.mark_read(acme, alert.pk, at=NOW)
    inbox.mark_read(acme, alert.pk, at=LATER)
    assert read_at(alert) == NOW
    assert inbox.unread_count(acme) == 0


def test_only_alerts_of_the_own_inbox_are_marked(acme: Account) -> None:
    others = [an_alert(an_account("globex")), an_alert(None), an_alert(acme, is_shown=False)]
    for alert in others:
        with pytest.raises(NotFound, match="no such alert"):
            inbox.mark_read(acme, alert.pk, at=NOW)
        assert read_at(alert) is None
    with pytest.raises(NotFound, match="no such alert"):
        inbox.mark_read(acme, 2**62, at=NOW)


def test_all_are_marked_but_those_that_came_since_one_looked(acme: Account) -> None:
    old, seen = an_alert(acme, read_at=NOW), an_alert(acme)
    new, other = an_alert(acme), an_alert(an_account("globex"))
    assert inbox.mark_all_read(acme, at=LATER, up_to=seen.pk) == 1
    assert [read_at(each) for each in (old, seen, new, other)] == [NOW, LATER, None, None]
    assert inbox.mark_all_read(acme, at=LATER) == 1
    assert inbox.mark_all_read(acme, at=LATER) == 0


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_mark_it_at_once_one_is_the_first(acme: Account) -> None:
    alert = an_alert(acme)
    marked = at_once(
        lambda number: inbox.mark_all_read(acme, at=NOW + number * timedelta(seconds=1)), times=8
    )
    assert sorted(marked) == [0] * 7 + [1]
    assert read_at(alert) is not None
