"""A call's story: the arithmetic of its cost to the last digit, and what was held for it."""

from decimal import Decimal

import pytest

from tests.support.authorizing import a_limit, an_operation, ask, limit, settle
from tests.support.cast import NOW, an_account, an_event
from tests.support.recording import prepare, record, the_row
from tests.support.usage_rows import a_log_row, a_period
from usage import authorization, surcharges
from usage.call_stories import CallStory, story_of
from usage.core.money import format_amount
from usage.core.surcharges import SurchargeTerms
from usage.events import ReportedCost
from usage.models import Account, APIUsageLog

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def world() -> None:
    prepare()


def acme() -> Account:
    return Account.objects.get(external_id="acme")


def the_story() -> CallStory:
    return story_of(acme(), the_row())


def arithmetic(story: CallStory) -> list[tuple[str, ...]]:
    return [(line.unit, *(format_amount(number) for number in line[1:])) for line in story.lines]


def test_a_rated_call_tells_its_price_and_each_line_of_its_cost() -> None:
    record(an_event(input_tokens=1_000, output_tokens=100))

    story = the_story()

    assert story.price is not None
    assert story.price.model_name == "gpt-4o"
    assert arithmetic(story) == [
        ("input", "1000", "0.0000025", "0.0025"),
        ("output", "100", "0.00001", "0.001"),
    ]
    assert story.rated == story.row.cost == Decimal("0.0035")
    assert story.adds_up


def test_a_surcharge_stands_beside_the_price() -> None:
    surcharges.put(acme(), surcharges={"smart": SurchargeTerms(Decimal("0.005"))}, at=NOW)
    record(an_event(request_type="smart"))

    story = the_story()

    assert (story.rated, story.surcharge) == (Decimal("0.0035"), Decimal("0.005"))
    assert [(line.unit, line.amount) for line in story.surcharge_lines] == [("request", Decimal("0.005"))]
    assert story.rated + story.surcharge == story.row.cost
    assert story.adds_up


def test_a_surcharge_that_todays_terms_do_not_give_is_told_without_arithmetic() -> None:
    row = a_log_row(a_period(acme()), surcharge=Decimal("0.1"), cost=Decimal("0.1036"))

    story = story_of(acme(), row)

    assert (story.surcharge, story.surcharge_lines) == (Decimal("0.1"), [])


def test_what_the_customers_own_key_paid_is_told_line_by_line_and_not_billed() -> None:
    record(an_event(byok=True))

    story = the_story()

    assert story.own_key_paid
    assert (story.row.cost, story.row.list_cost, story.rated) == (0, Decimal("0.0035"), Decimal("0.0035"))
    assert story.adds_up


def test_a_reported_cost_has_no_arithmetic() -> None:
    record(an_event(cost=ReportedCost(source="provider", amount="0.5")))

    story = the_story()

    assert (story.price, story.lines, story.adds_up) == (None, [], True)


def test_a_row_that_somebody_touched_does_not_add_up() -> None:
    record(an_event())
    APIUsageLog.objects.update(cost=Decimal("0.004"))

    assert not the_story().adds_up


# --- What was held -------------------------------------------------------------------------------------


def test_what_was_held_and_decided_is_read_back_exactly() -> None:
    limit(a_limit("0.3", "cost", name="budget"), a_limit(10, name="calls"))
    asked = ask(an_operation(), key="k1")
    settle(asked)

    granted = the_story().granted

    assert granted is not None
    assert granted.held == {"calls": "1", "tokens": "1100", "cost": "0.0035"} == asked.hold.amounts
    assert granted.decision == asked.decision
    assert [one.name for one in asked.decision.limits] == ["budget", "calls"]
    assert granted.authorization.state == "settled"


def test_the_decision_on_a_request_without_a_key_is_not_kept() -> None:
    settle(ask())

    granted = the_story().granted

    assert granted is not None
    assert granted.decision is None


@pytest.mark.parametrize("reference", ["", "none-of-ours", "0198f3a2-7c1e-7d11-9a55-6f2f6f1c0d02"])
def test_an_authorization_that_is_none_was_never_granted(reference: str) -> None:
    record(an_event(authorization=reference))

    assert the_story().granted is None


def test_another_accounts_authorization_is_not_told_of() -> None:
    granted = ask()

    assert authorization.granted(an_account("globex").pk, granted.id) is None
