"""The settings' page of the budget: what can be set, what is refused, and how it stands."""

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.asserts import assertRedirects

from subscriptions import budgets
from subscriptions.models import Budget
from tests.support.authorizing import a_limit
from tests.support.cast import NOW, TESTS, a_member, a_user, an_account, an_event
from tests.support.reading_pages import logged_in, read
from tests.support.recording import prepare, record
from tests.support.subscribing import a_plan, subscribe
from usage.models import Account, Role

BUDGET = "/settings/budget/"
PAUSE, RESUME = f"{BUDGET}pause/", f"{BUDGET}resume/"
MOST_QUERIES = 15
# What the form sends where nothing is filled in.
EMPTY = {
    "monthly_budget": "",
    "per_request": "",
    "per_hour": "",
    "per_day": "",
    "alert_thresholds": "",
    "max_monthly_cost": "",
    "throttle_from": "",
    "throttle_to": "",
}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    """On a plan of 25 USD a billing period and 60 calls a minute."""
    prepare()
    account = Account.objects.get()
    plan = a_plan("team", a_limit(60, window="minute", name="a_minute"), included_usage=Decimal(25))
    subscribe(plan, account=account)
    return account


@pytest.fixture
def alice(client: Client, acme: Account) -> Client:
    client.force_login(a_member(acme))
    return client


def rows(page: str) -> dict[str, list[str]]:
    """The table's cells by the name of their row: used, own, plan's, left."""
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    found = {}
    for row in body.split("</tr>")[:-1]:
        cells = [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.split(r"</t[hd]>", row)[:-1]]
        found[cells[0]] = cells[1:]
    return found


class TestSettings:
    def test_all_of_them_are_saved_and_shown(self, alice: Client, acme: Account) -> None:
        sent = {
            "monthly_budget": "20.50",
            "auto_pause": "on",
            "per_request": "0.5",
            "per_hour": "2",
            "per_day": "5",
            "alert_thresholds": "50, 80 %",
            "throttle_from": "80",
            "throttle_to": "50",
            "max_monthly_cost": "24",
            "pause_at_maximum": "on",
        }
        assertRedirects(alice.post(BUDGET, sent), BUDGET)
        budget = Budget.objects.get(account=acme)
        assert (budget.monthly_budget, budget.auto_pause) == (Decimal("20.50"), True)
        assert (budget.per_request, budget.per_hour, budget.per_day) == (Decimal("0.5"), 2, 5)
        assert budget.alert_thresholds == [50, 80]
        assert (budget.throttle_from, budget.throttle_to) == (80, 50)
        assert (budget.max_monthly_cost, budget.pause_at_maximum) == (24, True)
        page = read(alice.get(BUDGET))
        for name, shown in {**sent, "monthly_budget": "20.5", "alert_thresholds": "50, 80"}.items():
            if shown == "on":
                assert re.search(rf'name="{name}"[^>]*checked', page), name
            else:
                assert f'name="{name}" value="{shown}"' in page, name

    def test_what_is_emptied_is_taken_away(self, alice: Client, acme: Account) -> None:
        budgets.update(acme, changes={"monthly_budget": Decimal(20), "per_day": Decimal(5)}, at=NOW, by=TESTS)
        alice.post(BUDGET, EMPTY)
        budget = Budget.objects.get()
        assert (budget.monthly_budget, budget.per_day) == (None, None)

    def test_a_spend_limit_alone_needs_no_budget(self, client: Client) -> None:
        account = an_account()
        client.force_login(a_member(account))
        assertRedirects(client.post(BUDGET, {**EMPTY, "auto_pause": "on", "per_day": "5"}), BUDGET)
        assert Budget.objects.get().per_day == 5

    @pytest.mark.parametrize(
        ("field", "entered", "told"),
        [
            ("monthly_budget", "25.01", "The plan allows 25 USD a billing period: choose at most that"),
            ("max_monthly_cost", "26", "The plan allows 25 USD a billing period: choose at most that"),
            ("monthly_budget", "0", "Give an amount above 0, or none."),
            ("monthly_budget", "-1", "'-1' is negative."),
            ("monthly_budget", "twenty", "Enter a number."),
            ("monthly_budget", "NaN", "Enter a number."),
            ("per_hour", "1e99", "no more than"),
            ("alert_thresholds", "80, 50", "Give ascending percentages between 1 and 100, each once."),
            ("alert_thresholds", "many", "Give whole percentages, such as 50, 80, 100."),
            ("throttle_from", "80", "Give both, from which percent and to which, or neither."),
            ("throttle_to", "x", "Enter a whole number."),
        ],
    )
    def test_what_cannot_be_is_said_beside_its_field_and_kept(
        self, alice: Client, acme: Account, field: str, entered: str, told: str
    ) -> None:
        page = read(alice.post(BUDGET, {**EMPTY, field: entered}))
        wrong = " ".join(re.findall(r'<div class="field field-wrong">.*?</ul>', page))
        assert told in wrong
        assert f'name="{field}" value="{entered}"' in page
        assert not Budget.objects.exists()

    def test_exactly_what_the_plan_allows_may_be_chosen(self, alice: Client, acme: Account) -> None:
        assertRedirects(alice.post(BUDGET, {**EMPTY, "monthly_budget": "25"}), BUDGET)


class TestStanding:
    def test_it_tells_used_bounds_and_left(self, alice: Client, acme: Account) -> None:
        budgets.update(
            acme,
            changes={"monthly_budget": Decimal(20), "per_day": Decimal(5), "per_request": Decimal(1)},
            at=NOW,
            by=TESTS,
        )
        # 1 M input at 2.50 and 0.1 M output at 10 USD per million.
        record(an_event(input_tokens=1_000_000, output_tokens=100_000))
        page = read(alice.get(BUDGET))
        assert rows(page) == {
            "This billing period": ["$3.50", "$20.00", "$25.00", "$16.50"],
            "The last day": ["$3.50", "$5.00", "–", "$1.50"],
            "The last hour": ["–", "–", "–", "–"],
            "One request": ["–", "$1.00", "–", "–"],
        }
        assert '$3.50 <span class="muted">of your budget of $20.00' in page
        assert "the billing period ends" in page

    def test_without_a_budget_it_tells_what_the_plan_lets_pass(self, alice: Client, acme: Account) -> None:
        page = read(alice.get(BUDGET))
        assert rows(page)["This billing period"] == ["$0.00", "–", "$25.00", "$25.00"]
        assert "of the $25.00 that your plan lets pass" in page

    def test_a_budget_that_only_tells_has_something_left_as_well(self, alice: Client, acme: Account) -> None:
        alice.post(BUDGET, {**EMPTY, "monthly_budget": "20"})
        record(an_event(input_tokens=1_000_000, output_tokens=100_000))
        # The plan refuses at 25, so more passes than the budget has left.
        assert rows(read(alice.get(BUDGET)))["This billing period"] == ["$3.50", "$20.00", "$25.00", "$21.50"]

    def test_without_a_plan_nothing_is_bounded(self, client: Client) -> None:
        client.force_login(a_member(an_account()))
        assert rows(read(client.get(BUDGET)))["This billing period"] == ["$0.00", "–", "–", "–"]

    def test_slowed_down_calls_are_told_of(self, alice: Client, acme: Account) -> None:
        changes = {"monthly_budget": Decimal(4), "throttle_from": 80, "throttle_to": 50}
        budgets.update(acme, changes=changes, at=NOW, by=TESTS)  # type: ignore[arg-type]
        # 3.50 of 4 USD are 87.5 percent.
        record(an_event(input_tokens=1_000_000, output_tokens=100_000))
        budgets.protect(acme, at=NOW)
        assert "Calls are slowed down to 50% of each rate limit" in read(alice.get(BUDGET))

    def test_the_page_needs_few_queries(
        self, alice: Client, acme: Account, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        budgets.pause(acme, reason="A runaway script.", at=NOW, by=TESTS)
        with django_assert_max_num_queries(MOST_QUERIES):
            alice.get(BUDGET)


class TestPauses:
    def test_everything_is_paused_and_resumed(self, alice: Client, acme: Account) -> None:
        page = read(alice.post(PAUSE, {"reason": "A runaway script."}, follow=True))
        assert Budget.objects.get().paused_reason == "A runaway script."
        assert "All calls are paused by alice: A runaway script" in page
        # The banner leads to where it is ended.
        assert f'href="{BUDGET}">Resume the budget</a>' in page
        page = read(alice.post(RESUME, follow=True))
        assert "Calls pass again." in page
        assert not Budget.objects.get().is_paused

    @pytest.mark.parametrize(
        ("reason", "told"), [("", "This field is required."), ("x" * 141, "at most 140 characters")]
    )
    def test_a_pause_says_why(self, alice: Client, acme: Account, reason: str, told: str) -> None:
        assert told in read(alice.post(PAUSE, {"reason": reason}))
        assert not Budget.objects.exists()

    def test_a_second_pause_and_a_needless_resumption_are_told(self, alice: Client, acme: Account) -> None:
        assert "The budget is not paused." in read(alice.post(RESUME, follow=True))
        alice.post(PAUSE, {"reason": "First."})
        assert "is paused already: First." in read(alice.post(PAUSE, {"reason": "Second."}, follow=True))

    def test_a_budget_that_is_used_up_is_raised_first(self, alice: Client, acme: Account) -> None:
        budgets.update(acme, changes={"monthly_budget": Decimal(3)}, at=NOW, by=TESTS)
        record(an_event(input_tokens=1_000_000, output_tokens=100_000))
        budgets.protect(acme, at=NOW)
        page = read(alice.post(RESUME, follow=True))
        assert "The monthly budget of 3 USD is used up. Raise it first" in page
        assert f'href="{BUDGET}">Raise the budget</a>' in page
        alice.post(BUDGET, {**EMPTY, "monthly_budget": "10", "auto_pause": "on"})
        assert not Budget.objects.get().is_paused


class TestWhoMay:
    CHANGES = (BUDGET, PAUSE, RESUME)

    def test_a_billing_admin_may(self, acme: Account) -> None:
        bob = logged_in(acme, "bob", Role.BILLING_ADMIN)
        assertRedirects(bob.post(BUDGET, {**EMPTY, "monthly_budget": "10"}), BUDGET)

    @pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
    def test_readers_see_it_and_change_nothing(self, acme: Account, role: Role) -> None:
        budgets.update(acme, changes={"monthly_budget": Decimal(20)}, at=NOW, by=TESTS)
        vera = logged_in(acme, "vera", role)
        page = read(vera.get(BUDGET))
        assert "$20.00, then all calls pause" in page
        assert "An owner or a billing admin of the account sets the budget." in page
        for url in self.CHANGES:
            assert f'action="{url}"' not in page
            assert vera.post(url, {**EMPTY, "reason": "x"}).status_code == 403, url
        assert Budget.objects.get().monthly_budget == 20

    def test_strangers_are_refused(self, acme: Account) -> None:
        eve = logged_in(an_account("other"), "eve", Role.OWNER)
        assert eve.get(f"{BUDGET}?account=acme").status_code == 403
        for url in self.CHANGES:
            assert eve.post(f"{url}?account=acme", {**EMPTY, "reason": "x"}).status_code == 403, url
        assert not Budget.objects.exists()

    @pytest.mark.parametrize(("permission", "status"), [("view_budget", 403), ("change_budget", 302)])
    def test_staff_need_the_permission(self, acme: Account, permission: str, status: int) -> None:
        sam = a_user("sam", is_staff=True)
        sam.user_permissions.add(Permission.objects.get(codename=permission))
        client = Client()
        client.force_login(sam)
        response = client.post(f"{BUDGET}?account=acme", {**EMPTY, "monthly_budget": "10"})
        assert response.status_code == status

    def test_changes_take_their_token(self, acme: Account) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(a_member(acme))
        for url in self.CHANGES:
            assert client.post(url, {**EMPTY, "reason": "x"}).status_code == 403, url
        assert client.get(PAUSE).status_code == 405
        assert client.get(RESUME).status_code == 405
