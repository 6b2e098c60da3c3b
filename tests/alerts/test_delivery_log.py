"""The log of deliveries is read page by page; what was given up is tried again, where that can help."""

from datetime import timedelta

import pytest
import uuid_utils.compat

from alerts import delivery_log, destinations
from alerts.delivery_log import Place
from alerts.models import AlertChannel, AlertDelivery, DeliveryState
from tests.support.alerting import a_delivery, an_alert, deliveries
from tests.support.cast import NOW, an_account
from tests.support.channel_kinds import a_pigeon, pigeons
from usage.core.errors import Conflict, NotFound
from usage.models import Account

SENT, PARKED, WAITING = DeliveryState.SENT, DeliveryState.PARKED, DeliveryState.WAITING
LATER = NOW + timedelta(hours=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pigeons")]
__all__ = ["pigeons"]


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def loft(acme: Account) -> AlertChannel:
    return a_pigeon(acme)


def test_the_log_is_read_page_by_page_newest_alert_first(acme: Account, loft: AlertChannel) -> None:
    made = []
    for _ in range(3):
        alert = an_alert(acme)
        made += [a_delivery(alert, loft, recipient=each) for each in ("a", "b")]
    found: list[AlertDelivery] = []
    after: Place | None = None
    for expected in (4, 2):
        page = delivery_log.page_of(acme, limit=4, after=after)
        assert len(page.deliveries) == expected
        found += page.deliveries
        after = page.after
    assert after is None
    assert found == made[::-1]


def test_it_is_narrowed_by_channel_and_state(acme: Account, loft: AlertChannel) -> None:
    south = a_pigeon(acme, "loft:south")
    alert = an_alert(acme)
    waiting, sent = a_delivery(alert, loft), a_delivery(alert, south, state=SENT)
    assert list(delivery_log.page_of(acme, limit=9, channel_id=south.pk).deliveries) == [sent]
    assert list(delivery_log.page_of(acme, limit=9, state=WAITING).deliveries) == [waiting]
    assert delivery_log.page_of(acme, limit=9, channel_id=south.pk, state=WAITING).deliveries == []


def test_the_inbox_and_others_deliveries_are_left_out(acme: Account, loft: AlertChannel) -> None:
    (inbox_channel,) = [each for each in destinations.all_of(acme, at=NOW) if each.kind == "in_app"]
    a_delivery(an_alert(acme), inbox_channel, state=SENT)
    other = an_account("globex")
    a_delivery(an_alert(other), a_pigeon(other))
    assert delivery_log.page_of(acme, limit=9).deliveries == []


@pytest.mark.parametrize("text", ["", "x", "1", "1-", "1-x", "-1", "１-00000000000000000000000000000000"])
def test_what_names_no_place_names_none(text: str) -> None:
    assert Place.parse(text) is None


def test_a_place_is_understood_again() -> None:
    place = Place(7, uuid_utils.compat.uuid7())
    assert Place.parse(str(place)) == place


def test_what_was_given_up_is_tried_again(acme: Account, loft: AlertChannel) -> None:
    parked = a_delivery(an_alert(acme), loft, state=PARKED, attempts=10)
    delivery_log.try_again(acme, parked.pk, at=LATER)
    (again,) = deliveries()
    assert (again.pk, again.state, again.next_attempt_at, again.attempts) == (parked.pk, WAITING, LATER, 0)


def test_what_is_under_way_is_left_alone(acme: Account, loft: AlertChannel) -> None:
    waiting = a_delivery(an_alert(acme), loft, attempts=3)
    delivery_log.try_again(acme, waiting.pk, at=LATER)
    (same,) = deliveries()
    assert (same.next_attempt_at, same.attempts) == (NOW, 3)


def test_what_has_arrived_is_not_sent_again(acme: Account, loft: AlertChannel) -> None:
    sent = a_delivery(an_alert(acme), loft, state=SENT)
    with pytest.raises(Conflict, match="arrived already"):
        delivery_log.try_again(acme, sent.pk, at=LATER)


def test_nothing_is_tried_at_a_channel_that_is_switched_off(acme: Account, loft: AlertChannel) -> None:
    parked = a_delivery(an_alert(acme), loft, state=PARKED)
    destinations.disable(loft, reason="Moved.")
    with pytest.raises(Conflict, match="switch it on first"):
        delivery_log.try_again(acme, parked.pk, at=LATER)


def test_only_own_deliveries_are_tried_again(acme: Account) -> None:
    other = an_account("globex")
    parked = a_delivery(an_alert(other), a_pigeon(other), state=PARKED)
    for unknown in (parked.pk, uuid_utils.compat.uuid7()):
        with pytest.raises(NotFound, match="no such delivery"):
            delivery_log.try_again(acme, unknown, at=LATER)
