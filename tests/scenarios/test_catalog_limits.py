"""Every limit of every plan of both catalogs, from the subscription to the call that it refuses.

An account is put on the plan, and real authorizations bring one limit to its amount and beyond. So that it is
that limit which answers, the account's other ones are made unlimited first, in `usage_limits` alone; the last
tests here leave all of them as they are sold.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from subscriptions import catalog_file, entitlements
from subscriptions.models import SubscriptionPlan
from tests.support.authorizing import a_limit, an_operation, ask, settle
from tests.support.cast import NOW
from tests.support.reaching import (
    GRANTED,
    MODEL,
    Answer,
    answer_to,
    on_plan,
    price_every_provider,
    smallest,
    take,
    use,
    with_that_alone,
)
from tests.support.subscribing import load_catalog, the_plan
from tests.support.worlds import shared
from usage.core.windows import LENGTHS
from usage.events import Units
from usage.limits import LimitTerms
from usage.models import APIUsageLog, LimitMode, Measure, UsageLimit, Window

CATALOGS = ("default", "gateway")
KEYS = {name: [plan.key for plan in catalog_file.read(name).plans] for name in CATALOGS}
PLANS = [key for keys in KEYS.values() for key in keys]
USUAL = Decimal("0.0275")  # 1000 input and 100 output tokens at 25 USD per million.
IN_ONE_CALL = (Measure.TOKENS, Measure.IMAGES, Measure.COST)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True, scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Prices, and both catalogs."""
    with shared(django_db_blocker):
        price_every_provider()
        for name in CATALOGS:
            load_catalog(name)
        yield


def sold(key: str) -> tuple[SubscriptionPlan, list[LimitTerms]]:
    """A plan, and the limits it sells."""
    plan = the_plan(key)
    return plan, entitlements.limit_terms(plan.versions.get())


def refusing(terms: LimitTerms, code: str = "limit_exceeded") -> Answer:
    return Answer(code, code, (terms.name,))


def is_blocking(terms: LimitTerms) -> bool:
    return terms.mode == LimitMode.BLOCK and bool(terms.amount)


@pytest.mark.parametrize("key", PLANS)
def test_an_account_has_the_limits_of_its_plan(key: str) -> None:
    plan, terms = sold(key)

    account = on_plan(plan, "acme")

    known = UsageLimit.objects.filter(account=account)
    assert sorted(known.values_list("name", "amount", "source")) == sorted(
        (each.name, each.amount, "plan") for each in terms
    )


@pytest.mark.parametrize("key", PLANS)
def test_the_whole_amount_is_granted_and_nothing_beyond(key: str) -> None:
    plan, terms = sold(key)
    blocking = [each for each in terms if is_blocking(each) and each.window != Window.REQUEST]
    met = {}

    for each in blocking:
        account = with_that_alone(plan, each.name)
        whole = answer_to(account, each, each.amount or Decimal(0))
        met[each.name] = (whole, answer_to(account, each, smallest(each)))

    assert blocking
    assert met == {each.name: (GRANTED, refusing(each)) for each in blocking}


@pytest.mark.parametrize("key", PLANS)
def test_what_is_used_counts_as_what_is_held_does(key: str) -> None:
    plan, terms = sold(key)
    countable = [each for each in terms if is_blocking(each) and each.measure in IN_ONE_CALL]
    blocking = [each for each in countable if each.window == Window.PERIOD]
    met = {}

    for each in blocking:
        account = with_that_alone(plan, each.name)
        use(account, each, (each.amount or Decimal(0)) - smallest(each))
        met[each.name] = [answer_to(account, each, smallest(each)) for _ in range(2)]

    assert blocking
    assert met == {each.name: [GRANTED, refusing(each)] for each in blocking}


@pytest.mark.parametrize("key", PLANS)
def test_one_more_than_the_whole_amount_is_refused_at_once(key: str) -> None:
    plan, terms = sold(key)
    # More calls than one request may ask for, and calls at the same time, take several.
    blocking = [
        each
        for each in terms
        if is_blocking(each) and each.window != Window.CONCURRENT and (each.amount or 0) < 100_000
    ]
    met = {}

    for each in blocking:
        account = with_that_alone(plan, each.name)
        met[each.name] = answer_to(account, each, (each.amount or Decimal(0)) + smallest(each))

    assert blocking
    assert met == {each.name: refusing(each) for each in blocking}


@pytest.mark.parametrize("key", PLANS)
def test_what_is_not_included_is_refused_as_that_from_the_first_call_on(key: str) -> None:
    plan, terms = sold(key)
    without = [each for each in terms if each.amount == 0]
    met = {}

    for each in without:
        met[each.name] = answer_to(with_that_alone(plan, each.name), each, smallest(each))

    assert met == {each.name: refusing(each, "not_included") for each in without}


@pytest.mark.parametrize("key", PLANS)
def test_what_is_unlimited_never_refuses(key: str) -> None:
    plan, terms = sold(key)
    unlimited = [each for each in terms if each.amount is None]
    much = {Measure.CALLS: 100_000, Measure.COST: 5_000}
    met = {}

    for each in unlimited:
        account = with_that_alone(plan, each.name)
        met[each.name] = answer_to(account, each, Decimal(much.get(each.measure, 2_000_000_000)))

    assert met == {each.name: GRANTED for each in unlimited}


@pytest.mark.parametrize("key", KEYS["gateway"])
def test_usage_beyond_what_is_included_is_billed_up_to_the_maximum(key: str) -> None:
    """Community includes 5 USD and refuses what is beyond; the others bill it up to twice their budget."""
    plan, _ = sold(key)
    version = plan.versions.get()
    included = version.included_usage or Decimal(0)
    cost = a_limit(None, "cost")
    account = on_plan(plan, "acme")
    UsageLimit.objects.filter(account=account).exclude(measure="cost", window="period").update(amount=None)

    use(account, cost, included)
    beyond = answer_to(account, cost, smallest(cost))

    if key == "gateway-community":
        assert beyond == Answer("limit_exceeded", "limit_exceeded", ("monthly_cost",))
        return
    assert beyond == GRANTED
    use(account, cost, included - 2 * smallest(cost))
    assert answer_to(account, cost, smallest(cost)) == GRANTED
    refused = answer_to(account, cost, smallest(cost))
    assert refused == Answer("limit_exceeded", "limit_exceeded", ("max_monthly_cost",))


@pytest.mark.parametrize("key", KEYS["gateway"])
def test_one_request_may_cost_what_the_plan_says(key: str) -> None:
    plan, terms = sold(key)
    (per_request,) = [each for each in terms if each.window == Window.REQUEST]
    most = per_request.amount or Decimal(0)
    account = with_that_alone(plan, per_request.name)

    amounts = (most - smallest(per_request), most, most, most + smallest(per_request))
    answers = [answer_to(account, per_request, amount) for amount in amounts]

    assert answers == [GRANTED, GRANTED, GRANTED, refusing(per_request)]


@pytest.mark.parametrize("key", KEYS["gateway"])
def test_rates_have_room_again_once_their_window_has_passed(key: str) -> None:
    plan, terms = sold(key)
    rates = [each for each in terms if each.window in LENGTHS]
    met = {}

    for each in rates:
        account = with_that_alone(plan, each.name)
        amount = each.amount or Decimal(0)
        take(account, each, amount)
        # NOW begins a second, a minute and an hour: the next window still counts all of this one.
        times = (NOW, NOW + LENGTHS[each.window], NOW + 2 * LENGTHS[each.window])
        met[each.name] = [answer_to(account, each, Decimal(1), at=at) for at in times]

    assert [each.window for each in rates if each.window == Window.MINUTE] == [Window.MINUTE]
    assert met == {each.name: [refusing(each), refusing(each), GRANTED] for each in rates}


@pytest.mark.parametrize("key", KEYS["gateway"])
def test_a_call_that_ends_makes_room_for_one_at_the_same_time(key: str) -> None:
    plan, terms = sold(key)
    (at_once,) = [each for each in terms if each.window == Window.CONCURRENT]
    account = with_that_alone(plan, at_once.name)

    running = take(account, at_once, at_once.amount or Decimal(0))
    assert answer_to(account, at_once, Decimal(1)) == refusing(at_once)
    settle(running[0], subject=account.external_id, model=MODEL)

    assert [answer_to(account, at_once, Decimal(1)) for _ in range(2)] == [GRANTED, refusing(at_once)]


@pytest.mark.parametrize("key", KEYS["gateway"])
@pytest.mark.parametrize(
    ("request_type", "seconds", "added"),
    [
        ("smart_inference", None, "0.005"),
        ("model_optimization", None, "0.01"),
        ("batch_job", None, "0.002"),
        ("ab_test", None, "0.008"),
        ("realtime_collaboration", None, "0.001"),
        # 0.02 USD an hour: one hour, one and a half, one second (to the 18 decimals of a cost), none.
        ("fine_tune", "3600", "0.02"),
        ("fine_tune", "5400", "0.03"),
        ("fine_tune", "1", "0.000005555555555556"),
        ("fine_tune", None, "0"),
        ("ai_inference", None, "0"),
    ],
)
def test_a_settled_call_costs_its_price_and_its_surcharge(
    key: str, request_type: str, seconds: str | None, added: str
) -> None:
    plan, _ = sold(key)
    account = on_plan(plan, "acme")
    UsageLimit.objects.filter(account=account).update(amount=None)
    call = {"model": MODEL, "request_type": request_type, "units": Units(seconds=seconds)}

    granted = ask(an_operation(**call))
    settle(granted, **call)

    row = APIUsageLog.objects.get()
    assert (row.cost, row.surcharge or 0) == (USUAL + Decimal(added), Decimal(added))
    assert Decimal(granted.decision.estimated_cost) == row.cost


@pytest.mark.parametrize(
    ("key", "provider", "allowed", "refusing"),
    [
        # 50 calls of all text generation together, as many of Gemini.
        ("free", "gemini", 50, ("ai_text_generation_calls", "gemini_calls")),
        ("free", "openai", 0, ("openai_calls",)),
        # 500 of all text generation, though 1000 of Gemini and 500 of OpenAI.
        ("basic", "gemini", 500, ("ai_text_generation_calls",)),
        ("basic", "openai", 500, ("ai_text_generation_calls", "openai_calls")),
        ("basic", "anthropic", 200, ("anthropic_calls",)),
        ("pro", "gemini", 3000, ("ai_text_generation_calls",)),
        ("pro", "mistral", 2500, ("mistral_calls",)),
        # One provider under two names.
        ("pro", "exa", 500, ("metaphor_calls",)),
    ],
)
def test_of_all_that_a_plan_sells_the_strictest_refuses(
    key: str, provider: str, allowed: int, refusing: tuple[str, ...]
) -> None:
    plan, _ = sold(key)
    account = on_plan(plan, "acme")
    calls = a_limit(None, scope="provider", value=provider)

    if allowed:
        take(account, calls, Decimal(allowed))
    answer = answer_to(account, calls, Decimal(1))

    assert answer.refusing == refusing


def test_calls_of_several_providers_are_text_generation_together() -> None:
    plan, _ = sold("basic")
    account = on_plan(plan, "acme")
    gemini, openai = (a_limit(None, scope="provider", value=each) for each in ("gemini", "openai"))

    take(account, gemini, Decimal(300))
    take(account, openai, Decimal(200))

    assert answer_to(account, gemini, Decimal(1)).refusing == ("ai_text_generation_calls",)
    later = NOW + timedelta(days=31)
    assert answer_to(account, gemini, Decimal(500), at=later) == GRANTED
