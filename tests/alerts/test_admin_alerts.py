"""Alerts and their deliveries in the admin: looked through, marked read where they are ours, tried again."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from alerts import destinations
from alerts.models import AlertDelivery, DeliveryState, UsageAlert
from tests.support.alerting import a_delivery, an_alert, channel_of
from tests.support.cast import NOW, an_account
from tests.support.email_channels import an_email_channel
from tests.support.staff_alerts import listed, page, text
from tests.support.staff_invoices import a_clerk, history, offered, queries_of
from usage.models import Account

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def staff() -> Client:
    return a_clerk("change_usagealert", "change_alertdelivery", "change_alertchannel")


def parked(account: Account | None, **fields: object) -> AlertDelivery:
    return a_delivery(
        an_alert(account),
        an_email_channel(account),
        **{"state": DeliveryState.PARKED, "attempts": 9, **fields},
    )


def test_alerts_are_found_by_account_and_filtered_by_what_they_are(staff: Client, acme: Account) -> None:
    an_alert(acme, "Open")
    an_alert(acme, "Over", ended_at=NOW + HOUR)
    an_alert(acme, "Ready", rule="invoice_ready", severity="info", is_lasting=False)
    an_alert(None, "Held", rule="price_held", severity="error")
    expected = {
        ("q", "acme"): 3,
        ("q", "other"): 0,
        ("rule", "limit_threshold"): 2,
        ("rule", "price_held"): 1,
        ("severity__exact", "error"): 1,
        ("severity__exact", "info"): 1,
        ("audience", "staff"): 1,
        ("audience", "customers"): 3,
        ("holds", "open"): 2,
        ("holds", "ended"): 1,
    }

    assert {each: listed(staff, "usagealert", **dict([each])) for each in expected} == expected
    shown = text(staff, page("usagealert", "changelist"))
    for word in ("Acme", "our staff", "Held prices", "Usage limits", "Open", "Ended", "Told once"):
        assert word in shown


def test_an_alert_is_shown_with_what_became_of_it(staff: Client, acme: Account) -> None:
    failed = parked(acme, status_code=503, error="The server was busy.")
    destinations.all_of(acme, at=NOW)
    a_delivery(failed.alert, channel_of(acme, "in_app"), state=DeliveryState.SENT)

    shown = text(staff, page("usagealert", "change", failed.alert_id))

    for word in (
        "8 of 10 calls are used",
        "The server was busy.",
        "503",
        "Given up",
        "ops@example.com",
        "Open",
    ):
        assert word in shown
    assert "(&#x27;" not in shown
    # The inbox is left out: the alert is in it by being there.
    linked = re.findall(r'href="(/admin/alerts/alertdelivery/[^"]+)"', shown)
    assert linked == [page("alertdelivery", "change", failed.pk)]
    assert listed(staff, "alertdelivery") == 1


def test_nobody_changes_adds_or_deletes_an_alert_or_a_delivery(staff: Client, acme: Account) -> None:
    delivery = parked(acme)

    for model, row in (("usagealert", delivery.alert), ("alertdelivery", delivery)):
        asked = [
            staff.post(page(model, "change", row.pk), {"title": "x"}),
            staff.post(page(model, "delete", row.pk), {"post": "yes"}),
            staff.get(page(model, "add")),
        ]
        assert [each.status_code for each in asked] == [403, 403, 403]
    assert UsageAlert.objects.get().title == "80 % of calls used"


def test_a_list_takes_as_many_statements_however_long_it_is(staff: Client, acme: Account) -> None:
    def taken() -> list[int]:
        return [len(queries_of(staff, page(each, "changelist"))) for each in ("usagealert", "alertdelivery")]

    channel = an_email_channel(acme)
    a_delivery(an_alert(acme), channel)
    taken()
    before = taken()
    for _ in range(5):
        a_delivery(an_alert(an_account(f"a{UsageAlert.objects.count()}")), channel)

    assert taken() == before


def test_what_was_given_up_is_tried_again_and_audited(staff: Client, acme: Account) -> None:
    delivery = parked(acme, error="The server was busy.")
    address = page("alertdelivery", "change", delivery.pk)
    assert offered(staff, address, {"try-again"}) == {"try-again"}

    staff.post(page("alertdelivery", "try_again", delivery.pk))

    delivery.refresh_from_db()
    assert (delivery.state, delivery.next_attempt_at, delivery.attempts) == ("waiting", NOW, 0)
    assert history() == ["It is tried again. It had failed with: The server was busy."]
    assert offered(staff, address, {"try-again"}) == set()


def test_what_our_staff_were_to_be_told_is_tried_again_as_well(staff: Client) -> None:
    delivery = parked(None)

    staff.post(page("alertdelivery", "try_again", delivery.pk))

    delivery.refresh_from_db()
    assert delivery.state == "waiting"


def test_what_can_go_nowhere_is_not_tried_and_the_page_says_why(staff: Client, acme: Account) -> None:
    delivery = parked(acme)
    destinations.disable(delivery.channel, reason="It bounced.")

    answer = staff.post(page("alertdelivery", "try_again", delivery.pk)).content.decode()

    assert "switch it on first" in answer
    delivery.refresh_from_db()
    assert delivery.state == "parked"
    assert history() == []


def test_deliveries_are_filtered_by_state_and_audience(staff: Client, acme: Account) -> None:
    parked(acme)
    a_delivery(an_alert(None), an_email_channel(None))

    assert [listed(staff, "alertdelivery", state__exact=state) for state in ("parked", "waiting")] == [1, 1]
    assert [listed(staff, "alertdelivery", audience=value) for value in ("staff", "customers")] == [1, 1]
    assert listed(staff, "alertdelivery", q="acme") == 1


def test_what_our_staff_were_told_is_marked_read_by_one_of_them(staff: Client) -> None:
    alert = an_alert(None, "1 price waits")
    assert offered(staff, page("usagealert", "change", alert.pk), {"mark-read"}) == {"mark-read"}

    staff.post(page("usagealert", "mark_read", alert.pk))

    alert.refresh_from_db()
    assert alert.read_at == NOW
    assert history() == ["Marked read: 1 price waits"]
    assert offered(staff, page("usagealert", "change", alert.pk), {"mark-read"}) == set()


def test_what_a_customer_was_told_is_not_ours_to_mark(staff: Client, acme: Account) -> None:
    alert = an_alert(acme)

    assert offered(staff, page("usagealert", "change", alert.pk), {"mark-read"}) == set()
    assert "There is no such alert." in staff.post(page("usagealert", "mark_read", alert.pk)).content.decode()
    alert.refresh_from_db()
    assert alert.read_at is None
    assert history() == []


@pytest.mark.parametrize(("model", "name"), [("usagealert", "mark_read"), ("alertdelivery", "try_again")])
def test_whoever_may_only_look_is_refused(model: str, name: str) -> None:
    delivery = parked(None)
    row = delivery.alert if model == "usagealert" else delivery
    viewer, address = a_clerk(), page(model, name, row.pk)

    assert [ask(address).status_code for ask in (viewer.get, viewer.post, Client().post)] == [403, 403, 302]
    delivery.refresh_from_db()
    assert (delivery.state, UsageAlert.objects.get().read_at) == ("parked", None)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("usagealert", "change"),
        ("usagealert", "history"),
        ("usagealert", "mark_read"),
        ("alertdelivery", "change"),
        ("alertdelivery", "history"),
        ("alertdelivery", "try_again"),
        ("alertchannel", "change"),
        ("alertchannel", "send_test"),
        ("alertchannel", "switch_on"),
    ],
)
@pytest.mark.parametrize("object_id", ["abc", "9" * 30, "-1", "%00", "1%00"])
def test_an_id_that_names_nothing_leads_nowhere(staff: Client, model: str, name: str, object_id: str) -> None:
    address = page(model, name, "ID").replace("ID", object_id)

    assert staff.get(address).status_code in (302, 404)
