"""An account's own calls on something cheaper: each kind, its thresholds, and every digit as in the log."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from subscriptions import replaying
from subscriptions.core.recommendations import Confidence
from subscriptions.models import RecommendationKind
from subscriptions.replaying import Found
from tests.support.authorizing import a_limit, limit
from tests.support.cast import NOW, an_account, an_event
from tests.support.prices import load
from tests.support.replays import START, a_price, daily, spend
from usage import alternatives, pricebook, surcharges
from usage.core.rating import BATCH_REQUEST_TYPES, Price, Quantities, rate
from usage.core.surcharges import SurchargeTerms
from usage.events import ReportedCost, Units, UsageEvent
from usage.models import Account, APIUsageLog

CHEAPER, SMALLER, BATCH, CACHING = (
    RecommendationKind.CHEAPER_MODEL,
    RecommendationKind.SMALLER_MODEL,
    RecommendationKind.BATCH,
    RecommendationKind.CACHING,
)
EVERY_DAY = range(28)
MILLION = 1_000_000

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Account:
    return an_account("acme")


def found_for(*events: UsageEvent) -> dict[RecommendationKind, Found]:
    """What is found for acme once it made these calls, the best of each kind."""
    every = replaying.found(spend(*events), at=NOW)
    return {each.kind: each for each in reversed(every)}


def lines(found: Found) -> list[tuple[str, ...]]:
    names = ("name", "quantity_now", "price_now", "cost_now", "quantity_then", "price_then", "cost_then")
    return [tuple(line[name] for name in names) for line in found.arithmetic["lines"]]


# --- Another model -------------------------------------------------------------------------------------


def test_a_cheaper_model_of_the_class_is_told_with_its_arithmetic() -> None:
    """28 days of 1M + 0.1M tokens: 28 × (2.50 + 1) = 98 USD at gpt-4o, 28 × (1 + 0.50) = 42 at terra."""
    load(a_price("gpt-4o", "2.50", "10"), a_price("gpt-6.1-terra", "1", "5"))

    found = found_for(*daily(*EVERY_DAY, calls=10, input_tokens=100_000, output_tokens=10_000))[CHEAPER]

    assert (found.subject, found.alternative) == ("openai/gpt-4o", "openai/gpt-6.1-terra")
    assert (found.now, found.then, found.saving) == (98, 42, 60)  # 56 in 28 days are 60 in 30
    assert (found.calls, found.days, found.excluded_calls) == (280, 28, 0)
    assert lines(found) == [
        ("Input tokens", "28000000", "0.0000025", "70", "28000000", "0.000001", "28"),
        ("Output tokens", "2800000", "0.00001", "28", "2800000", "0.000005", "14"),
    ]


def test_the_cheapest_of_the_class_is_told_whoever_makes_it() -> None:
    load(
        a_price("gpt-4o", "2.50", "10"),
        a_price("gpt-6.1-terra", "1", "5"),
        a_price("gemini-2.5-flash", "0.30", "2.50", provider="gemini"),
    )

    found = found_for(*daily(*EVERY_DAY, input_tokens=MILLION, output_tokens=0))[CHEAPER]

    assert found.alternative == "gemini/gemini-2.5-flash"


def test_one_class_below_only_the_same_provider_is_told() -> None:
    load(
        a_price("gpt-4o", "2.50", "10"),
        a_price("gpt-4o-mini", "0.15", "0.60"),
        a_price("gemini-2.5-flash-lite", "0.10", "0.40", provider="gemini"),
    )

    found = found_for(*daily(*EVERY_DAY, calls=10, input_tokens=100_000, output_tokens=0))

    assert CHEAPER not in found
    assert found[SMALLER].alternative == "openai/gpt-4o-mini"
    assert found[SMALLER].then == Decimal("4.2")  # 28 × 0.15


@pytest.mark.parametrize(
    ("allowed", "told"),
    [
        pytest.param(29, False, id="below: 28 calls in 28 days are 30 in 30"),
        pytest.param(30, True, id="at"),
        pytest.param(0, False, id="not included at all"),
    ],
)
def test_a_model_that_the_accounts_limits_have_no_room_for_is_not_told(allowed: int, told: bool) -> None:
    load(a_price("gpt-4o", "2.50", "10"), a_price("gemini-2.5-flash", "0.30", "2.50", provider="gemini"))
    limit(a_limit(allowed, scope="provider", value="gemini"))

    assert (CHEAPER in found_for(*daily(*EVERY_DAY, input_tokens=MILLION))) is told


def test_a_model_without_a_class_gets_no_other_model() -> None:
    load(a_price("gpt-unheard-of", "2.50", "10"), a_price("gpt-4o-mini", "0.15", "0.60"))

    assert found_for(*daily(*EVERY_DAY, model="gpt-unheard-of", input_tokens=MILLION)) == {}


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        # 28 × tokens × (2.50 - 1.00) a million, × 30/28: 45 USD a million and day; 1 USD is 22 222.2… tokens.
        pytest.param(22_222, False, id="0.99999 USD a month"),
        pytest.param(22_223, True, id="1.000035 USD a month"),
    ],
)
def test_savings_below_a_dollar_a_month_are_not_told(tokens: int, told: bool) -> None:
    load(a_price("gpt-4o", "2.50"), a_price("gpt-6.1-terra", "1"))

    assert (CHEAPER in found_for(*daily(*EVERY_DAY, input_tokens=tokens, output_tokens=0))) is told


@pytest.mark.parametrize(
    ("price", "told"), [("0.951", False), ("0.950", True), ("0.949", True)], ids=["4.9 %", "5 %", "5.1 %"]
)
def test_savings_below_a_twentieth_are_not_told(price: str, told: bool) -> None:
    load(a_price("gpt-4o", "1"), a_price("gpt-6.1-terra", price))

    assert (CHEAPER in found_for(*daily(*EVERY_DAY, input_tokens=MILLION, output_tokens=0))) is told


def test_calls_outside_of_the_four_weeks_do_not_count() -> None:
    load(a_price("gpt-4o", "2.50"), a_price("gpt-6.1-terra", "1"))

    found = found_for(*daily(-1, 0, 27, 28, input_tokens=MILLION, output_tokens=0, hour=0))[CHEAPER]

    assert (found.calls, found.now) == (2, 5)


# --- Exactness -----------------------------------------------------------------------------------------

TIER = (1_000, "4", "20")


def a_hundred_kinds_of_calls() -> list[UsageEvent]:
    """Around every threshold, on either side of a price change, with every class of tokens; and what is left
    out: the customer's key, a reported cost, a failure, images.
    """
    instants = [START, START + timedelta(days=3, hours=12), START + timedelta(days=20, hours=23, minutes=59)]
    inputs = [0, 1, 999, 1_000, 1_001, 199_999, 200_000, 200_001, 1_048_576 - 7, 1_048_576 - 6]
    kinds: list[dict[str, Any]] = [
        {},
        {"request_type": "batch"},
        {"cached_input_tokens": 0.5, "cache_write_tokens": 0.25, "reasoning_tokens": 3},
    ]
    events = []
    for number, (at, tokens, kind) in enumerate(product(instants, inputs, kinds)):
        parts = {
            name: int(tokens * part) if part == 0.5 or part == 0.25 else part for name, part in kind.items()
        }
        events.append(an_event(f"e{number}", at=at, input_tokens=tokens, output_tokens=7, **parts))
    others: list[dict[str, Any]] = [
        {"byok": True},
        {"cost": ReportedCost(amount="1.5", source="provider")},
        {"status_code": 500, "input_tokens": None, "output_tokens": None},
        {"units": Units(images=1)},
    ]
    return events + [an_event(f"other{n}", at=START, **data) for n, data in enumerate(others)]


def call_by_call(price_of: Callable[[APIUsageLog], Price], *, window: int) -> tuple[Decimal, Decimal, int]:
    """What the rated calls cost, and cost at another price, one after the other; and how many these are."""
    now, then, calls = Decimal(0), Decimal(0), 0
    for row in APIUsageLog.objects.all():
        total = (row.input_tokens or 0) + (row.output_tokens or 0)
        if row.price_id is None or row.list_cost is not None or row.images or total > window:
            continue
        quantities = Quantities(*(getattr(row, name) or 0 for name in Quantities._fields))
        batch = row.request_type in BATCH_REQUEST_TYPES
        now += row.cost - (row.surcharge or 0)
        then += rate(quantities, price_of(row), batch=batch).total
        calls += 1
    return now, then, calls


def test_a_replay_is_what_every_call_costs_one_by_one() -> None:
    changes = START + timedelta(days=3, hours=12)
    load(
        a_price("gpt-4o", "500", "900", cached="200", written="600", batch=("300", "500"), tier=TIER),
        a_price(
            "gemini-2.5-flash", "3", "7", cached="0.3", batch=("1", "3"), tier=(200_000, "6", "9"),
            provider="gemini",
        ),
    )  # fmt: skip
    load(a_price("gemini-2.5-flash", "1", "5", tier=(999, "2", "11"), provider="gemini", since=changes))
    surcharges.put(Account.objects.get(), surcharges={"batch": SurchargeTerms(Decimal("0.01"))}, at=START)

    found = found_for(*a_hundred_kinds_of_calls())[CHEAPER]

    book = pricebook.current_book()
    window = alternatives.catalog().models["gemini", "gemini-2.5-flash"].context_tokens
    now, then, calls = call_by_call(
        lambda row: book.find("gemini", "gemini-2.5-flash", at=row.occurred_at), window=window
    )
    assert (found.now, found.then, found.calls) == (now, then, calls)
    assert found.arithmetic["excluded"] == {
        "failed": 1,
        "own_key": 1,
        "reported": 1,
        "too_long": 9,
        "units": 1,
    }
    assert calls + 13 == APIUsageLog.objects.count()
    for side, cost in (("cost_now", now), ("cost_then", then)):
        assert sum(Decimal(line[side]) for line in found.arithmetic["lines"]) == cost


# --- Batch prices --------------------------------------------------------------------------------------


def test_calls_that_can_wait_are_told_the_batch_prices_of_the_book() -> None:
    """28 × 1M tokens at 2.50 are 70 USD, at 1.20 in batches 33.60."""
    load(a_price("gpt-4o", "2.50", "10", batch=("1.20", "5")))

    found = found_for(
        *daily(*EVERY_DAY, input_tokens=MILLION, output_tokens=0, request_type="Classification"),
        *daily(*EVERY_DAY, input_tokens=MILLION, output_tokens=0, request_type="chat", event_id="chat"),
        *daily(*EVERY_DAY, input_tokens=MILLION, output_tokens=0, request_type="batch", event_id="batch"),
    )[BATCH]

    assert found.subject == "openai/gpt-4o: classification"
    assert (found.now, found.then, found.calls) == (70, Decimal("33.6"), 28)


def test_where_the_book_has_no_batch_price_the_published_discount_counts() -> None:
    load(a_price("text-embedding-3-small", "2"))

    found = found_for(
        *daily(
            *EVERY_DAY, model="text-embedding-3-small", input_tokens=MILLION, output_tokens=0,
            request_type="embeddings",
        )
    )[BATCH]  # fmt: skip

    assert (found.now, found.then) == (56, 28)  # half of it
    assert len(found.arithmetic["facts"]["sources"]) == 1


def test_a_model_without_any_batch_price_is_not_told_one() -> None:
    load(a_price("gpt-4o", "2.50", "10"))

    assert BATCH not in found_for(*daily(*EVERY_DAY, input_tokens=MILLION, request_type="classification"))


def test_what_the_accounts_terms_add_to_batch_calls_is_part_of_the_arithmetic() -> None:
    """28 calls at 2.50 save half of 70 USD; a surcharge of 0.50 a batch call takes 14 of these 35 back."""
    load(a_price("gpt-4o", "2.50", "10", batch=("1.25", "5")))
    surcharges.put(Account.objects.get(), surcharges={"batch": SurchargeTerms(Decimal("0.5"))}, at=START)

    found = found_for(
        *daily(*EVERY_DAY, input_tokens=MILLION, output_tokens=0, request_type="classification")
    )[BATCH]

    assert (found.now, found.then) == (70, 49)
    assert ("Surcharges (USD)", "0", "1", "0", "14", "1", "14") in lines(found)


# --- Caching -------------------------------------------------------------------------------------------


def cached_calls(*, cached_in_first_week: int, calls: int = 20, tokens: int = 100_000) -> list[UsageEvent]:
    """A first week in which so much of each call's input came from the cache, and three without any."""
    return [
        *daily(
            *range(7), calls=calls, input_tokens=tokens, cached_input_tokens=cached_in_first_week,
            output_tokens=0,
        ),
        *daily(*range(7, 28), calls=calls, input_tokens=tokens, output_tokens=0),
    ]  # fmt: skip


def test_caching_is_told_at_the_share_of_the_accounts_own_best_week() -> None:
    """A week is 140 calls of 100 000 tokens: 35 USD at 2.50, and 21 + 2.80 with 40 % of it cached at 0.50, as
    the first one was.
    """
    load(a_price("gpt-4o", "2.50", cached="0.50"))

    found = found_for(*cached_calls(cached_in_first_week=40_000))[CACHING]

    assert (found.now, found.then) == (Decimal("128.8"), Decimal("95.2"))  # 23.80 + 3 × 35, and 4 × 23.80
    assert found.arithmetic["facts"] == {
        "endpoint": "",
        "cached_percent_now": "10",
        "cached_percent_then": "40",
        "example_week": "2026-02-15",
    }


def test_what_is_written_to_the_cache_is_charged_as_in_that_week() -> None:
    """140 calls a week of 50 000 at 2.50, 40 000 cached at 0.50, 10 000 written at 3: 17.50 + 2.80 + 4.20."""
    load(a_price("gpt-4o", "2.50", cached="0.50", written="3"))
    first = daily(
        *range(7), calls=20, input_tokens=100_000, cached_input_tokens=40_000, cache_write_tokens=10_000,
        output_tokens=0,
    )  # fmt: skip
    others = daily(*range(7, 28), calls=20, input_tokens=100_000, output_tokens=0)

    found = found_for(*first, *others)[CACHING]

    assert found.then == Decimal("24.5") * 4


@pytest.mark.parametrize(
    ("calls", "tokens", "told"),
    [
        pytest.param(15, 1_024_000, True, id="105 calls that week"),
        pytest.param(14, 1_024_000, False, id="98 calls that week are no example"),
    ],
)
def test_without_an_example_of_the_accounts_own_nothing_is_said_of_caching(
    calls: int, tokens: int, told: bool
) -> None:
    load(a_price("gpt-4o", "2.50", cached="0.50"))

    found = found_for(*cached_calls(cached_in_first_week=tokens // 2, calls=calls, tokens=tokens))

    assert (CACHING in found) is told


@pytest.mark.parametrize(("tokens", "told"), [(1_023, False), (1_024, True)], ids=["below", "at"])
def test_input_too_short_to_be_cached_is_not_told_caching(tokens: int, told: bool) -> None:
    load(a_price("gpt-4o", "250", cached="50"))

    found = found_for(*cached_calls(cached_in_first_week=tokens // 2, tokens=tokens))

    assert (CACHING in found) is told


def test_a_price_that_is_not_lower_for_cached_input_has_nothing_to_cache_for() -> None:
    load(a_price("gpt-4o", "2.50", cached="2.50"))

    assert CACHING not in found_for(*cached_calls(cached_in_first_week=40_000))


# --- Confidence ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "calls", "expected"),
    [
        (range(28), 36, Confidence.HIGH),  # 1 008 calls
        (range(28), 35, Confidence.MEDIUM),  # 980
        (range(0, 28, 4), 15, Confidence.MEDIUM),  # 105 on 7 days, in each week
        (range(7), 200, Confidence.LOW),  # one week only
        (range(28), 3, Confidence.LOW),  # 84
    ],
)
def test_confidence_grows_with_calls_days_and_weeks(days: range, calls: int, expected: Confidence) -> None:
    load(a_price("gpt-4o", "2500"), a_price("gpt-6.1-terra", "1"))

    found = found_for(*daily(*days, calls=calls, input_tokens=1_000, output_tokens=0))[CHEAPER]

    assert found.confidence is expected
