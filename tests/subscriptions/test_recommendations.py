"""What customers read of what would be cheaper, in words and numbers, and not hearing of it for a while."""

from datetime import timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from subscriptions import changes, recommendations, recommending
from subscriptions.core.recommendations import Confidence
from subscriptions.models import RecommendationDismissal, RecommendationKind, UsageRecommendation
from subscriptions.recommendations import DISMISSED_FOR, Recommendation, dismiss, recommendations_of
from tests.support.cast import NOW, an_account
from tests.support.invoices import use
from tests.support.prices import load
from tests.support.racing import crowd, together
from tests.support.replays import a_price, daily, spend
from tests.support.subscribing import MONTHLY, TESTS, a_plan, start, the_plan
from usage.core.calendar import months_after
from usage.core.errors import InvalidRequest
from usage.models import Account

CHEAPER, SMALLER = RecommendationKind.CHEAPER_MODEL, RecommendationKind.SMALLER_MODEL
BATCH, CACHING, PLAN = RecommendationKind.BATCH, RecommendationKind.CACHING, RecommendationKind.PLAN
SUBJECT = "openai/gpt-4o"

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Account:
    """Ten calls a day, of which the first week's were half cached; all of a kind that can wait."""
    load(
        a_price("gpt-4o", "2.50", "10", cached="1.25", batch=("1.25", "5")),
        a_price("gpt-6.1-terra", "1", "5"),
        a_price("gpt-4o-mini", "0.15", "0.60"),
    )
    an_account("acme")
    wanted = {"calls": 20, "input_tokens": 50_000, "output_tokens": 0, "request_type": "classification"}
    account = spend(
        *daily(*range(7), cached_input_tokens=25_000, endpoint="/v1/chat/completions", **wanted),
        *daily(*range(7, 28), endpoint="/v1/chat/completions", **wanted),
    )
    recommending.compute(account, at=NOW)
    return account


def of_kind(account: Account, kind: RecommendationKind) -> Recommendation:
    (found,) = (each for each in recommendations_of(account, at=NOW) if each.kind is kind)
    return found


def kinds(account: Account, *, days_later: int = 0) -> list[RecommendationKind]:
    at = NOW + timedelta(days=days_later)
    return [each.kind for each in recommendations_of(account, at=at)]


def test_all_are_read_in_one_query_what_saves_most_first(
    acme: Account, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        found = recommendations_of(acme, at=NOW)

    assert [each.kind for each in found] == [SMALLER, CHEAPER, BATCH, CACHING]
    assert [each.saving for each in found] == sorted((each.saving for each in found), reverse=True)


def test_a_cheaper_model_says_what_it_costs_what_it_assumes_and_that_it_is_not_the_same(
    acme: Account,
) -> None:
    """560 calls of 50 000 tokens: 3.5M of 28M cached at 1.25, the rest at 2.50; all at 1 on the other one."""
    found = of_kind(acme, CHEAPER)

    assert found.title == "gpt-6.1-terra (OpenAI) instead of gpt-4o (OpenAI)"
    assert found.message == (
        "560 calls in four weeks cost $65.62; on gpt-6.1-terra (OpenAI), of the same class, they would have "
        "cost $28.00."
    )
    assert (found.cost_now, found.cost_then, found.confidence) == (Decimal("65.625"), 28, Confidence.MEDIUM)
    assert found.percent == 100 * Decimal("37.625") / Decimal("65.625")
    assert sum(line.cost_now for line in found.lines) == found.cost_now
    assert sum(line.cost_then for line in found.lines) == found.cost_then
    assert "not the same model: try it on a sample" in found.caveat
    assert any("general models" in each for each in found.assumes)
    assert any("depends on how much usage your plan includes" in each for each in found.assumes)


def test_every_kind_is_told_in_its_own_words(acme: Account) -> None:
    assert of_kind(acme, SMALLER).title == "gpt-4o-mini (OpenAI) for what does not need gpt-4o (OpenAI)"
    assert of_kind(acme, BATCH).title == "Batch prices for classification on gpt-4o (OpenAI)"
    assert of_kind(acme, CACHING).title == (
        "Cache more of the input of gpt-4o (OpenAI) at /v1/chat/completions"
    )
    assert "your own share in the week from 2026-02-15" in of_kind(acme, CACHING).assumes[0]


def test_a_move_of_embeddings_says_that_all_have_to_be_made_again() -> None:
    load(a_price("text-embedding-3-large", "0.13"), a_price("text-embedding-3-small", "0.02"))
    an_account("acme")
    embeds = {"model": "text-embedding-3-large", "input_tokens": 8_000, "output_tokens": 0}
    account = spend(*daily(*range(28), calls=50, **embeds))
    recommending.compute(account, at=NOW)

    assert "has to be embedded again" in of_kind(account, CHEAPER).caveat


def test_the_api_is_told_the_same_with_the_saving_in_digits(acme: Account) -> None:
    found = recommendations_of(acme, at=NOW)

    told = recommendations.told_by_api(found)

    assert told[1] == {
        "type": "cheaper_model",
        "message": found[1].message,
        "potential_savings": found[1].saving,
        "confidence": "medium",
    }
    assert len(told) == 4


def test_what_was_not_replayed_is_said_with_the_reason() -> None:
    load(a_price("gpt-6.1-terra", "10", "50"), a_price("gpt-4o", "1", "5"))
    an_account("acme")
    account = spend(
        *daily(*range(28), model="gpt-6.1-terra", input_tokens=100_000),
        *daily(5, model="gpt-6.1-terra", input_tokens=128_000, event_id="long"),
        *daily(5, model="gpt-6.1-terra", byok=True, calls=2, event_id="own"),
    )
    recommending.compute(account, at=NOW)

    assert of_kind(account, CHEAPER).excluded == [
        "2 calls paid for by your own provider key",
        "1 call longer than the other model can read",
    ]


# --- Plans ---------------------------------------------------------------------------------------------


def a_subscriber(*, other_price: str) -> Account:
    """acme on team at 30 USD since December, with calls in each month, beside one other plan."""
    an_account("acme")
    a_plan("other", price=other_price, features=[])
    begin = months_after(NOW, -3)
    account = start(a_plan("team"), account=Account.objects.get(), at=begin).account
    load(a_price("gpt-4o", "2.50", "10"))
    for number in range(3):
        use("1", at=months_after(begin, number) + timedelta(days=1))
    recommending.compute(account, at=NOW)
    return account


def test_a_plan_that_fits_better_says_what_was_compared() -> None:
    found = of_kind(a_subscriber(other_price="10"), PLAN)

    assert found.title == "Other instead of Team"
    assert found.message == (
        "Your last 3 billing periods come to $90.00 in fees and overage on Team; on Other, to $30.00."
    )
    assert (found.saving, found.confidence, found.saves) == (20, Confidence.HIGH, True)
    assert found.lines[0].period is not None


def test_a_plan_to_stay_on_is_said_and_not_told_by_the_api() -> None:
    account = a_subscriber(other_price="100")
    found = of_kind(account, PLAN)

    assert found.title == "Stay on Team"
    assert found.message == (
        "Your last 3 billing periods come to $90.00 in fees and overage on Team; no other plan would have "
        "taken all your calls for noticeably less."
    )
    assert not found.saves
    assert recommendations.told_by_api([found]) == []


def test_once_the_plan_is_another_one_what_was_said_of_it_is_not_told() -> None:
    account = a_subscriber(other_price="100")

    changes.subscribe(account, plan=the_plan("other"), cycle=MONTHLY, at=NOW, by=TESTS, by_staff=True)

    assert recommendations_of(account, at=NOW) == []


# --- Dismissing ----------------------------------------------------------------------------------------


def test_one_that_is_dismissed_is_not_told_for_90_days_whatever_is_computed(acme: Account) -> None:
    kept = dismiss(acme, kind=CHEAPER, subject=SUBJECT, at=NOW, by=TESTS)
    recommending.compute(acme, at=NOW + timedelta(seconds=1))

    assert kinds(acme) == [SMALLER, BATCH, CACHING]
    assert CHEAPER not in kinds(acme, days_later=89)
    assert CHEAPER in kinds(acme, days_later=90)
    assert (kept.actor, kept.at, kept.until) == ("tests", NOW, NOW + DISMISSED_FOR)


def test_another_accounts_is_told_still(acme: Account) -> None:
    other = an_account("globex")
    for row in UsageRecommendation.objects.filter(kind=CHEAPER):
        row.pk, row.account = None, other
        row.save()

    dismiss(acme, kind=CHEAPER, subject=SUBJECT, at=NOW, by=TESTS)

    assert kinds(other) == [CHEAPER]


def test_what_is_not_there_cannot_be_dismissed(acme: Account) -> None:
    with pytest.raises(InvalidRequest):
        dismiss(acme, kind=CHEAPER, subject="openai/gpt-5", at=NOW, by=TESTS)


def test_dismissing_again_after_90_days_is_a_dismissal_of_its_own(acme: Account) -> None:
    dismiss(acme, kind=CHEAPER, subject=SUBJECT, at=NOW, by=TESTS)
    dismiss(acme, kind=CHEAPER, subject=SUBJECT, at=NOW + DISMISSED_FOR - timedelta(seconds=1), by=TESTS)
    assert RecommendationDismissal.objects.count() == 1

    dismiss(acme, kind=CHEAPER, subject=SUBJECT, at=NOW + DISMISSED_FOR, by=TESTS)

    assert RecommendationDismissal.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_dismissed_by_two_at_once_is_dismissed_once(acme: Account) -> None:
    with crowd():
        together(*[lambda: dismiss(acme, kind=CHEAPER, subject=SUBJECT, at=NOW, by=TESTS)] * 4)

    assert RecommendationDismissal.objects.count() == 1
