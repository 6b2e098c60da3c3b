"""The usage page: what is asked of it, what it answers, and to whom."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from html import unescape

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from alwrity_billing.dashboard.exploring import Answer, Question, answer
from alwrity_billing.dashboard.ranges import range_of
from alwrity_billing.dashboard.series import Quantity
from tests.support.cast import NOW, a_member, an_account
from tests.support.usage_rows import a_rollup
from usage.analytics import Dimension
from usage.models import Account, Role

pytestmark = pytest.mark.django_db

FEBRUARY = datetime(2026, 2, 3, tzinfo=UTC)
MOST_QUERIES = 15
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    """6 USD in the last thirty days: 3 and 1 of the teams red and blue, 2 of none; 2 of red before."""
    account = an_account("acme")
    a_rollup(account, model="gpt-4o", team="red", cost="3", calls=3)
    a_rollup(account, model="o3", team="blue", cost="1", calls=1)
    a_rollup(account, provider="tavily", model="", cost="2", calls=2)
    a_rollup(account, hour=FEBRUARY, model="gpt-4o", team="red", cost="2")
    a_rollup(account, hour=FEBRUARY, model="gpt-4o", team="green", cost="5")
    return account


@pytest.fixture
def alice(acme: Account, client: Client) -> Client:
    client.force_login(a_member(acme, role=Role.VIEWER))
    return client


def ask(
    account: Account, *, by: Dimension = Dimension.PROVIDER, compares: bool = False, **only: str
) -> Answer:
    shown, _ = range_of({}, at=NOW)
    narrowed = {Dimension(name): value for name, value in only.items()}
    return answer(account, Question(range=shown, by=by, only=narrowed, compares=compares))


def page(client: Client, query: str = "") -> str:
    response = client.get(f"/usage/{query}")
    assert response.status_code == 200
    return unescape(response.content.decode())


class TestAnswering:
    def test_rows_add_up_to_the_sum_and_show_their_share_of_it(self, acme: Account) -> None:
        found = ask(acme, by=Dimension.TEAM)

        # 3, 2 and 1 of 6 USD.
        assert [(line.name, line.totals.cost, round(line.share)) for line in found.lines] == [
            ("red", Decimal(3), 50),
            ("No team", Decimal(2), 33),
            ("blue", Decimal(1), 17),
        ]
        assert found.totals.cost == found.drawing.amount == 6

    def test_a_model_is_named_beside_its_provider(self, acme: Account) -> None:
        assert [(line.name, line.detail) for line in ask(acme, by=Dimension.MODEL).lines] == [
            ("gpt-4o", "OpenAI"),
            ("Tavily", ""),
            ("o3", "OpenAI"),
        ]

    def test_what_it_is_narrowed_to_can_be_taken_away_again(self, acme: Account) -> None:
        found = ask(acme, by=Dimension.MODEL, provider="openai", team="red")

        assert found.totals.cost == 3
        assert [(pick.dimension, pick.value) for pick in found.picks] == [
            ("Provider", "OpenAI"),
            ("Team", "red"),
        ]
        assert "provider" not in found.picks[0].without
        assert found.picks[0].without["team"] == "red"

    def test_a_row_leads_to_what_is_behind_it(self, acme: Account) -> None:
        query = ask(acme).lines[0].query
        assert query is not None
        assert (query["provider"], query["by"]) == ("openai", "model")

    def test_nothing_is_behind_what_it_is_narrowed_to_already(self, acme: Account) -> None:
        assert [line.query for line in ask(acme, provider="openai").lines] == [None]

    def test_compared_is_with_the_range_of_the_same_length_before(self, acme: Account) -> None:
        found = ask(acme, by=Dimension.TEAM, compares=True)

        changes = {line.name: (line.before.cost, line.change) for line in found.lines}
        # 3 after 2 is half as much again; green was used before only.
        assert changes["red"] == (2, Decimal(50))
        assert changes["blue"] == (0, None)
        assert changes["Teams no longer used"] == (5, Decimal(-100))
        assert (found.before.cost, found.change) == (7, Decimal("-14.3"))
        assert sum(line.before.cost for line in found.lines) == found.before.cost

    def test_the_chart_draws_what_is_chosen(self, acme: Account) -> None:
        shown, _ = range_of({}, at=NOW)
        found = answer(acme, Question(range=shown, only={}, quantity=Quantity.CALLS))

        assert (found.drawing.amount, [one.amount for one in found.drawing.series]) == (6, [4, 2])

    def test_what_has_no_colour_of_its_own_stands_together(self, acme: Account) -> None:
        for number in range(7):
            a_rollup(acme, model=f"m{number}", team=f"team-{number}", cost=str(10 + number))

        found = ask(acme, by=Dimension.TEAM)
        # Six of ten have one; left are team-0 (10), red (3), none (2), blue (1).
        assert (found.drawing.series[-1].name, found.drawing.series[-1].amount) == ("All other teams", 16)


class TestThePage:
    def test_everything_asked_for_stands_in_the_form_again(self, alice: Client) -> None:
        body = page(alice, "?last=7d&by=team&measure=tokens&compare=1&provider=openai")

        for choice in ("7d", "team", "tokens"):
            assert f'<option value="{choice}" selected>' in body
        assert '<input type="hidden" name="provider" value="openai">' in body
        assert 'name="compare" value="1" checked' in body

    def test_a_date_that_is_none_is_told_at_its_field(self, alice: Client) -> None:
        body = page(alice, "?from=soon")

        assert 'id="ask-from-error">Write the day as 2026-03-31.' in body
        assert 'value="soon"' in body

    @pytest.mark.parametrize("query", ["?by=colour", "?measure=weight", "?last=7w"])
    def test_what_cannot_be_chosen_is_told(self, alice: Client, query: str) -> None:
        assert "Choose one of" in page(alice, query)

    def test_without_calls_it_says_so_and_offers_a_longer_range(self, alice: Client) -> None:
        body = page(alice, "?last=last_month&team=red&model=openai/o3")

        assert "No call happened in this range that is all of this" in body

    def test_calls_that_do_not_tell_can_be_picked(self, alice: Client) -> None:
        assert "No team" in page(alice, "?team=&by=provider")

    def test_names_from_events_are_escaped(self, alice: Client, acme: Account) -> None:
        a_rollup(acme, team=HOSTILE, model=HOSTILE)

        body = alice.get("/usage/", {"by": "team", "model": f"openai/{HOSTILE}"}).content.decode()
        assert HOSTILE not in body
        assert "&lt;script&gt;alert" in body

    def test_a_nul_in_the_address_finds_nothing(self, alice: Client) -> None:
        assert "No call happened" in page(alice, "?team=a%00b")

    def test_it_needs_few_queries_however_much_there_is(
        self, alice: Client, acme: Account, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(20):
            a_rollup(acme, provider=f"p{number}", model=f"m{number}")

        with django_assert_max_num_queries(MOST_QUERIES):
            alice.get("/usage/?compare=1")

    def test_strangers_see_nothing(self, client: Client, acme: Account) -> None:
        client.force_login(a_member(an_account("globex"), username="eve"))

        assert client.get("/usage/?account=acme").status_code == 403
        assert "No call happened" in page(client)

    def test_who_is_not_logged_in_is_asked_to(self, client: Client) -> None:
        assert client.get("/usage/").headers["Location"] == "/login/?next=/usage/"
