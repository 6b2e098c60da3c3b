"""/api/usage/alerts/deliveries"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from alerts import destinations
from alerts.models import AlertChannel, AlertDelivery, DeliveryState
from tests.support.alerting import a_delivery, an_alert, channel_of
from tests.support.alerts_api import ALERTS, an_admin_key, permit, staff
from tests.support.cast import NOW, a_member, an_account
from tests.support.channel_kinds import a_pigeon
from tests.support.credentials import a_key
from tests.support.posting import Posted, look, post
from usage.models import Account, Role, Scope

LOG = f"{ALERTS}/deliveries"
PARKED = {
    "state": DeliveryState.PARKED,
    "attempts": 10,
    "status_code": 503,
    "error": "503 Service Unavailable",
}
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pigeons")]


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        account = an_account()
        destinations.all_of(account, at=NOW)
        yield account


@pytest.fixture
def pigeon(acme: Account) -> AlertChannel:
    return a_pigeon(acme)


@pytest.fixture
def key(acme: Account) -> str:
    return an_admin_key(acme)


def alerts(answer: Posted) -> list[str]:
    return [delivery["alert"] for delivery in answer.body["deliveries"]]


def retry(delivery: AlertDelivery | UUID, query: str = "", **credential: Any) -> Posted:
    delivery_id = delivery if isinstance(delivery, UUID) else delivery.pk
    return post(f"{LOG}/{delivery_id}/retry{query}", **credential)


def test_a_delivery_is_told_with_every_field_it_has(acme: Account, pigeon: AlertChannel, key: str) -> None:
    delivery = a_delivery(an_alert(acme), pigeon, **PARKED)

    assert look(LOG, key=key).body == {
        "deliveries": [
            {
                "id": str(delivery.pk),
                "alert_id": delivery.alert_id,
                "alert": "80 % of calls used",
                "type": "limit_threshold",
                "channel_id": pigeon.pk,
                "channel": "Pigeon loft:north",
                "recipient": "",
                "digest": False,
                "state": "parked",
                "attempts": 10,
                "status_code": 503,
                "error": "503 Service Unavailable",
                "next_attempt_at": None,
                "sent_at": None,
                "created_at": "2026-03-15T12:00:00Z",
            }
        ],
        "next_cursor": None,
    }


def test_an_account_to_which_nothing_went_out_has_an_empty_log(key: str) -> None:
    assert look(LOG, key=key).body == {"deliveries": [], "next_cursor": None}


def test_pages_follow_each_other_without_gap_or_repetition(
    acme: Account, pigeon: AlertChannel, key: str
) -> None:
    south = a_pigeon(acme, "loft:south")
    for number in range(3):
        alert = an_alert(acme, str(number))
        a_delivery(alert, pigeon)
        a_delivery(alert, south)
    a_delivery(an_alert(an_account("globex")), a_pigeon(an_account("initech")))

    seen, address = [], f"{LOG}?limit=2"
    while address:
        page = look(address, key=key)
        seen += page.body["deliveries"]
        # What comes meanwhile is newer than the pages that follow.
        a_delivery(an_alert(acme, "meanwhile"), pigeon)
        cursor = page.body["next_cursor"]
        address = f"{LOG}?limit=2&cursor={cursor}" if cursor else ""
    assert [each["alert"] for each in seen] == ["2", "2", "1", "1", "0", "0"]
    assert len({each["id"] for each in seen}) == 6


def test_one_channel_or_state_can_be_asked_for_alone(acme: Account, pigeon: AlertChannel, key: str) -> None:
    south = a_pigeon(acme, "loft:south")
    a_delivery(an_alert(acme, "waiting"), pigeon)
    a_delivery(an_alert(acme, "parked"), pigeon, **PARKED)
    a_delivery(an_alert(acme, "south"), south, **PARKED)

    assert alerts(look(f"{LOG}?state=parked", key=key)) == ["south", "parked"]
    assert alerts(look(f"{LOG}?channel={pigeon.pk}", key=key)) == ["parked", "waiting"]
    assert alerts(look(f"{LOG}?channel={pigeon.pk}&state=parked", key=key)) == ["parked"]
    assert alerts(look(f"{LOG}?channel={south.pk + 1}", key=key)) == []


@pytest.mark.parametrize(
    "query",
    ["cursor=x", "cursor=1-2", "channel=0", "channel=9223372036854775808", "channel=x",
     "state=lost", "limit=0", "limit=101"],
)  # fmt: skip
def test_a_wrong_parameter_is_named(key: str, query: str) -> None:
    answer = look(f"{LOG}?{query}", key=key)

    assert (answer.status, answer.body["errors"][0]["parameter"]) == (400, query.partition("=")[0])


def test_a_page_takes_few_queries_however_long_it_is(
    acme: Account, pigeon: AlertChannel, key: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        a_delivery(an_alert(acme, str(number)), pigeon)

    # The page alone; the others verify the key and note its use.
    with django_assert_max_num_queries(4):
        assert len(alerts(look(LOG, key=key))) == 30


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        (Role.OWNER, "bob@example.org"),
        (Role.BILLING_ADMIN, "bob@example.org"),
        (Role.MEMBER, "b…@example.org"),
        (Role.VIEWER, "b…@example.org"),
    ],
)
def test_every_member_reads_it_and_some_see_only_a_part_of_addresses(
    acme: Account, role: Role, seen: str
) -> None:
    a_delivery(an_alert(acme), channel_of(acme, "email"), recipient="bob@example.org")

    [told] = look(LOG, user=a_member(acme, role=role)).body["deliveries"]
    assert told["recipient"] == seen


def test_a_key_that_only_reads_sees_only_a_part_of_addresses(acme: Account) -> None:
    a_delivery(an_alert(acme), channel_of(acme, "email"), recipient="bob@example.org")

    [told] = look(LOG, key=a_key(acme).plain).body["deliveries"]
    assert told["recipient"] == "b…@example.org"


def test_what_was_given_up_is_made_again_under_the_same_id(
    acme: Account, pigeon: AlertChannel, key: str
) -> None:
    parked = a_delivery(an_alert(acme), pigeon, **PARKED)

    first, again = retry(parked, key=key), retry(parked, key=key)
    assert (first.status, first.body) == (again.status, again.body)
    assert (first.body["id"], first.body["state"]) == (str(parked.pk), "waiting")
    assert (first.body["attempts"], first.body["next_attempt_at"]) == (0, "2026-03-15T12:00:00Z")


def test_what_arrived_is_not_made_again(acme: Account, pigeon: AlertChannel, key: str) -> None:
    answer = retry(a_delivery(an_alert(acme), pigeon, state=DeliveryState.SENT), key=key)

    assert (answer.status, answer.body["code"]) == (409, "delivery_sent")


def test_to_a_channel_that_is_switched_off_nothing_is_made_again(
    acme: Account, pigeon: AlertChannel, key: str
) -> None:
    parked = a_delivery(an_alert(acme), pigeon, **PARKED)
    destinations.disable(pigeon, reason="Moved.")

    assert retry(parked, key=key).body["code"] == "channel_not_active"


def test_deliveries_of_others_are_the_same_as_missing_ones(key: str) -> None:
    globex = an_account("globex")
    theirs = a_delivery(an_alert(globex), a_pigeon(globex), **PARKED)

    found, none = retry(theirs, key=key), retry(UUID(int=1), key=key)
    assert found.status == none.status == 404
    assert found.body == none.body


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_members_who_only_read_have_nothing_made_again(
    acme: Account, pigeon: AlertChannel, role: Role
) -> None:
    parked = a_delivery(an_alert(acme), pigeon, **PARKED)

    assert retry(parked, user=a_member(acme, role=role)).status == 403
    parked.refresh_from_db()
    assert parked.state == DeliveryState.PARKED


def test_staff_read_any_account_and_need_the_permission_to_retry(acme: Account, pigeon: AlertChannel) -> None:
    parked, sam = a_delivery(an_alert(acme), pigeon, **PARKED), staff()

    assert alerts(look(f"{LOG}?user_id=acme", user=sam)) == ["80 % of calls used"]
    assert retry(parked, "?user_id=acme", user=sam).status == 403
    assert retry(parked, "?user_id=acme", user=permit(sam)).status == 200


def test_a_stranger_is_refused_whether_the_account_exists_or_not() -> None:
    mallory = a_member(an_account("globex"), username="mallory")

    existing, missing = (look(f"{LOG}?user_id={name}", user=mallory) for name in ("acme", "nobody"))
    assert existing.status == missing.status == 403
    assert existing.body == missing.body


def test_a_key_that_only_sends_usage_and_nobody_read_nothing(acme: Account) -> None:
    assert look(LOG, key=a_key(acme, scopes=(Scope.INGEST,)).plain).status == 403
    assert look(LOG).status == retry(UUID(int=1)).status == 401
