"""The inbox and the log of deliveries, as members of an account read them."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.asserts import assertRedirects

from alerts import destinations
from alerts.core.rules import Audience, chosen_among
from alerts.models import AlertChannel, DeliveryState, UsageAlert
from tests.alwrity_billing.test_dashboard_pages import INLINE
from tests.support.alerting import a_delivery, an_alert, deliveries
from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.channel_kinds import a_pigeon
from usage.models import Account, Member, Role

SENT, PARKED, WAITING = DeliveryState.SENT, DeliveryState.PARKED, DeliveryState.WAITING
HOSTILE = "<script>alert('x')</script>"
MOST_QUERIES = 15
PAGES = ["/alerts/", "/alerts/deliveries/", "/alerts/settings/"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pigeons")]


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    return an_account("acme", name="Acme Research")


@pytest.fixture
def alice(client: Client, acme: Account) -> Client:
    client.force_login(a_member(acme))
    return client


@pytest.fixture
def loft(acme: Account) -> AlertChannel:
    return a_pigeon(acme)


def page_of(client: Client, url: str = "/alerts/") -> str:
    response = client.get(url)
    assert response.status_code == 200
    return " ".join(unescape(response.content.decode()).split())


def shown(page: str) -> list[str]:
    """The titles of the alerts on the page."""
    return re.findall(r'<h2 class="alert-title"[^>]*>(.*?)</h2>', page)


class TestInbox:
    def test_an_alert_is_told_with_all_there_is(self, alice: Client, acme: Account) -> None:
        march = {"period_start": NOW.replace(day=1), "period_end": NOW.replace(month=4, day=1)}
        an_alert(acme, provider="openai", path="/billing/invoices/2026-000001/", **march)

        page = page_of(alice)

        for words in (
            "80 % of calls used",
            "8 of 10 calls are used this billing period (calls).",
            '<span class="alert-word">Warning</span>',
            "Usage limits",
            ">Unread<",
            ">Open<",
            "<strong>8 calls</strong> of 10 calls",
            'class="alert-fill" width="80%"',
            "<dt>Remaining</dt><dd>2 calls</dd>",
            "15 Mar 2026, 12:00",
            "period 1 Mar – 1 Apr 2026",
            "OpenAI",
            'href="/billing/invoices/2026-000001/">See the invoice',
        ):
            assert words in page, words

    @pytest.mark.parametrize(
        ("path", "label"),
        [
            ("/", "See your usage"),
            ("/billing/", "See billing"),
            ("/billing/invoices/2026-000001/", "See the invoice"),
            ("/alerts/settings/", "See the channels"),
        ],
    )
    def test_where_it_leads_to_is_named(self, alice: Client, acme: Account, path: str, label: str) -> None:
        an_alert(acme, path=path)

        assert f'href="{path}">{label}' in page_of(alice)

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"severity": "error"}, "Urgent"),
            ({"severity": "warning"}, "Warning"),
            ({"severity": "info"}, "Good to know"),
            ({"severity": "info", "is_recovery": True, "is_lasting": False}, "Resolved"),
        ],
    )
    def test_how_urgent_it_is_stands_there_as_a_word(
        self, alice: Client, acme: Account, fields: dict[str, object], words: str
    ) -> None:
        an_alert(acme, **fields)
        assert f'<span class="alert-word">{words}</span>' in page_of(alice)

    def test_what_has_ended_says_when_and_what_never_lasted_says_neither(
        self, alice: Client, acme: Account
    ) -> None:
        an_alert(acme, ended_at=NOW - timedelta(hours=1))
        an_alert(acme, is_lasting=False)
        page = page_of(alice)
        assert page.count("Ended <time") == 1
        assert "15 Mar, 11:00" in page
        assert ">Open</span>" not in page

    @pytest.mark.parametrize(("percent", "filled"), [("0 %", None), ("1 %", "1%"), ("250 %", "100%")])
    def test_the_bar_is_never_longer_than_its_track(
        self, alice: Client, acme: Account, percent: str, filled: str | None
    ) -> None:
        an_alert(acme, payload={"facts": {"used": "1", "amount": "2", "percent": percent}})
        fills = re.findall(r'class="alert-fill" width="([^"]*)"', page_of(alice))
        assert fills == ([] if filled is None else [filled])

    def test_figures_that_are_no_share_stand_there_without_a_bar(self, alice: Client, acme: Account) -> None:
        an_alert(acme, payload={"facts": {"high": "70.00 USD", "expected": "62.40 USD", "mode": "block"}})
        page = page_of(alice)
        assert "<dt>Expected</dt><dd>62.40 USD</dd></div><div><dt>High</dt><dd>70.00 USD</dd>" in page
        assert "alert-fill" not in page
        assert "block" not in page

    def test_without_alerts_it_says_what_will_be_told(self, alice: Client) -> None:
        page = page_of(alice)
        for rule in chosen_among(Audience.CUSTOMER):
            assert rule.meaning in page
        assert "a new price moved so far" not in page

    def test_filters_that_find_nothing_say_so(self, alice: Client, acme: Account) -> None:
        an_alert(acme, read_at=NOW, ended_at=NOW)
        assert "You have read everything." in page_of(alice, "/alerts/?show=unread")
        assert "Nothing is open" in page_of(alice, "/alerts/?show=open")
        assert shown(page_of(alice, "/alerts/?show=nonsense")) == ["80 % of calls used"]

    def test_older_alerts_are_on_further_pages_of_the_same_filter(self, alice: Client, acme: Account) -> None:
        for number in range(21):
            an_alert(acme, f"number {number}")
        first = page_of(alice, "/alerts/?show=open")
        older = re.search(r'href="(/alerts/\?show=open&before=[0-9]+)">Older', first)
        assert shown(first) == [f"number {number}" for number in range(20, 0, -1)]
        assert older is not None
        second = page_of(alice, older[1])
        assert shown(second) == ["number 0"]
        assert 'href="/alerts/?show=open">Newest' in second
        assert "Older" not in second

    @pytest.mark.parametrize("before", ["x", "-1", "9" * 40, "%00", "２"])
    def test_a_place_that_there_is_not_does_no_harm(self, alice: Client, acme: Account, before: str) -> None:
        an_alert(acme)
        assert shown(page_of(alice, f"/alerts/?before={before}")) == ["80 % of calls used"]

    def test_what_is_told_is_escaped_and_leads_nowhere_else(self, alice: Client, acme: Account) -> None:
        facts = {"used": HOSTILE, "amount": HOSTILE, "percent": "50 %", HOSTILE: HOSTILE}
        an_alert(
            acme, HOSTILE, message=HOSTILE, provider=HOSTILE, path="//evil.example/", payload={"facts": facts}
        )
        body = alice.get("/alerts/").content.decode()
        assert HOSTILE not in body
        assert "evil.example" not in body


class TestReading:
    def test_one_is_marked_and_one_comes_back_to_it(self, alice: Client, acme: Account) -> None:
        alert = an_alert(acme)
        response = alice.post(f"/alerts/{alert.pk}/read/?show=open&before=99")
        assert response["Location"] == f"/alerts/?show=open&before=99#alert-{alert.pk}"
        alert.refresh_from_db()
        assert alert.read_at == NOW
        assert "Mark as read" not in page_of(alice)

    def test_all_are_marked_but_those_that_came_since(self, alice: Client, acme: Account) -> None:
        an_alert(acme, "first")
        seen = an_alert(acme, "seen")
        assert f'name="up_to" value="{seen.pk}"' in page_of(alice)
        an_alert(acme, "new")
        assertRedirects(alice.post("/alerts/read/", {"up_to": seen.pk}), "/alerts/")
        assert shown(page_of(alice, "/alerts/?show=unread")) == ["new"]

    def test_a_viewer_marks_too(self, client: Client, acme: Account) -> None:
        client.force_login(a_member(acme, role=Role.VIEWER))
        alert = an_alert(acme)
        client.post(f"/alerts/{alert.pk}/read/")
        client.post("/alerts/read/")
        assert UsageAlert.objects.get().is_read

    def test_a_strangers_alert_is_not_found(self, alice: Client) -> None:
        alert = an_alert(an_account("other"))
        for unknown in (alert.pk, 10**17):
            assert alice.post(f"/alerts/{unknown}/read/").status_code == 404
        assert not UsageAlert.objects.get().is_read

    @pytest.mark.parametrize(
        ("unread", "badge"), [(0, None), (1, "1"), (99, "99"), (100, "99+"), (101, "99+")]
    )
    def test_every_page_counts_the_unread(
        self, alice: Client, acme: Account, unread: int, badge: str | None
    ) -> None:
        an_alert(acme, read_at=NOW)
        for _ in range(unread):
            an_alert(acme)
        found = re.search(
            r'<span class="badge">([^<]*)<span class="visually-hidden"> unread', page_of(alice, "/")
        )
        assert (found and found[1]) == badge


class TestDeliveries:
    URL = "/alerts/deliveries/"

    def test_each_says_what_became_of_it(self, alice: Client, acme: Account, loft: AlertChannel) -> None:
        south, west = a_pigeon(acme, "loft:south"), a_pigeon(acme, "loft:west")
        alert = an_alert(acme)
        a_delivery(alert, loft, state=SENT, status_code=204, attempts=1)
        later = NOW + timedelta(minutes=30)
        a_delivery(alert, south, attempts=3, status_code=503, error="503 Busy", next_attempt_at=later)
        a_delivery(alert, west, state=PARKED, attempts=10, status_code=410, error="410 Gone")
        a_delivery(alert, west, recipient="bob@example.com", is_digest=True, next_attempt_at=later)

        page = page_of(alice, self.URL)

        for words in (
            "80 % of calls used",
            "Pigeon",
            "loft:south",
            ">Sent</span>",
            "</span> 204",
            ">Trying again</span>",
            "next attempt <time",
            "15 Mar, 12:30",
            "503 Busy",
            ">Given up</span>",
            "410 Gone",
            "bob@example.com",
            "in the daily email on 15 Mar, 12:30",
        ):
            assert words in page, words
        assert page.count("Try again<span") == 1

    def test_without_any_it_says_how_to_begin(self, alice: Client) -> None:
        page = page_of(alice, self.URL)
        assert "Nothing has gone out yet." in page
        assert "Add a channel and send a test." in page

    def test_it_is_narrowed_and_older_ones_are_on_further_pages(
        self, alice: Client, acme: Account, loft: AlertChannel
    ) -> None:
        south = a_pigeon(acme, "loft:south")
        for number in range(26):
            a_delivery(an_alert(acme, f"number {number}"), loft, state=PARKED)
        a_delivery(an_alert(acme, "elsewhere"), south, state=PARKED)
        narrowed = f"{self.URL}?channel={loft.pk}&state=parked"
        first = page_of(alice, narrowed)
        assert "elsewhere" not in first
        assert "number 25" in first
        assert "number 0<" not in first
        older = re.search(r'href="([^"]*after=[^"]*)">Older', first)
        assert older is not None
        second = page_of(alice, older[1])
        assert "number 0<" in second
        assert "number 1<" not in second
        assert f'href="{narrowed}">Newest' in second

    @pytest.mark.parametrize(
        "query", ["channel=x", "channel=999", "state=x", "after=x", "after=1-%00", "after="]
    )
    def test_what_is_asked_wrongly_does_no_harm(
        self, alice: Client, acme: Account, loft: AlertChannel, query: str
    ) -> None:
        a_delivery(an_alert(acme), loft)
        assert "80 % of calls used" in page_of(alice, f"{self.URL}?{query}")

    @pytest.mark.parametrize(
        ("fields", "comes_again"),
        [
            ({}, True),
            ({"created_at": NOW - timedelta(seconds=20)}, True),
            ({"created_at": NOW - timedelta(seconds=21)}, False),
            ({"attempts": 1}, False),
            ({"state": SENT}, False),
        ],
    )
    def test_while_the_newest_is_on_its_way_the_page_comes_again(
        self, alice: Client, acme: Account, loft: AlertChannel, fields: dict[str, object], comes_again: bool
    ) -> None:
        a_delivery(an_alert(acme), loft, **fields)
        assert ("Refresh" in alice.get(self.URL)) is comes_again

    def test_what_was_given_up_is_tried_again(self, alice: Client, acme: Account, loft: AlertChannel) -> None:
        parked = a_delivery(an_alert(acme), loft, state=PARKED)
        response = alice.post(f"{self.URL}{parked.pk}/again/?channel={loft.pk}")
        assertRedirects(response, f"{self.URL}?channel={loft.pk}")
        assert [each.state for each in deliveries()] == [WAITING]

    def test_at_a_channel_that_is_switched_off_it_is_not_offered(
        self, alice: Client, acme: Account, loft: AlertChannel
    ) -> None:
        parked = a_delivery(an_alert(acme), loft, state=PARKED)
        destinations.disable(loft, reason="Moved.")
        assert "/again/" not in page_of(alice, self.URL)
        response = alice.post(f"{self.URL}{parked.pk}/again/", follow=True)
        assert "switch it on first" in response.content.decode()

    def test_readers_try_nothing_again(self, client: Client, acme: Account, loft: AlertChannel) -> None:
        client.force_login(a_member(acme, role=Role.VIEWER))
        parked = a_delivery(an_alert(acme), loft, state=PARKED)
        assert "/again/" not in page_of(client, self.URL)
        assert client.post(f"{self.URL}{parked.pk}/again/").status_code == 403
        assert [each.state for each in deliveries()] == [PARKED]

    def test_a_strangers_delivery_is_not_found(self, alice: Client) -> None:
        other = an_account("other")
        parked = a_delivery(an_alert(other), a_pigeon(other), state=PARKED)
        assert alice.post(f"{self.URL}{parked.pk}/again/").status_code == 404


class TestEveryPage:
    @pytest.mark.parametrize("url", PAGES)
    def test_a_stranger_logs_in_first(self, client: Client, url: str) -> None:
        assert client.get(url)["Location"] == f"/login/?next={url}"

    @pytest.mark.parametrize("url", PAGES)
    def test_another_account_is_refused_without_its_alerts(self, alice: Client, url: str) -> None:
        other = an_account("other", name="Other Corp")
        a_delivery(an_alert(other, "a secret"), a_pigeon(other))
        response = alice.get(f"{url}?account=other")
        assert response.status_code == 403
        for secret in ("a secret", "Other Corp", "loft:north"):
            assert secret not in response.content.decode()

    @pytest.mark.parametrize("url", PAGES)
    def test_staff_read_those_of_every_account(self, client: Client, acme: Account, url: str) -> None:
        a_delivery(an_alert(acme), a_pigeon(acme))
        client.force_login(a_user("staff", is_staff=True))
        assert "Acme Research" in page_of(client, f"{url}?account=acme")

    @pytest.mark.parametrize("url", PAGES)
    def test_links_and_forms_stay_in_the_account_one_chose(self, alice: Client, url: str) -> None:
        second = an_account("a/b&c", name="Second Ltd")
        Member.objects.create(account=second, user=Member.objects.get().user, role=Role.OWNER)
        a_delivery(an_alert(second, path="/?x=1#top"), a_pigeon(second), state=PARKED)
        page = page_of(alice, f"{url}?account=a%2Fb%26c")
        leading = re.findall(r'(?:href|action)="(/(?:alerts|billing|\?)[^"]*)"', page)
        assert len(leading) > 5
        assert [link for link in leading if "account=a%2Fb%26c" not in link] == []
        if url == "/alerts/":
            assert "/?x=1&account=a%2Fb%26c#top" in leading

    @pytest.mark.parametrize("url", PAGES)
    def test_queries_are_few_however_much_there_is(
        self, alice: Client, acme: Account, django_assert_max_num_queries: DjangoAssertNumQueries, url: str
    ) -> None:
        alice.get(url)  # what everybody has is made once
        for number in range(5):
            a_delivery(an_alert(acme), a_pigeon(acme, f"loft:{number}"), state=PARKED)
            a_member(acme, username=f"member-{number}", role=Role.MEMBER)
        with django_assert_max_num_queries(MOST_QUERIES):
            alice.get(url)

    @pytest.mark.parametrize("url", PAGES)
    def test_no_page_has_inline_script_or_style(self, alice: Client, acme: Account, url: str) -> None:
        a_delivery(an_alert(acme), a_pigeon(acme), state=PARKED)
        response = alice.get(url)
        assert INLINE.findall(response.content.decode()) == []
        assert "no-store" in response["Cache-Control"]
