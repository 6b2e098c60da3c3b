"""What last month would have cost at a draft price: every row's own rating, in sums."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.cast import an_account
from tests.support.usage_rows import APRIL, MARCH, a_log_row, a_period, a_price
from usage import partitions
from usage.core.rating import (
    BATCH_REQUEST_TYPES,
    Price,
    Quantities,
    Rates,
    Tier,
    TokenPrices,
    UnitPrices,
    rate,
)
from usage.models import APIUsageLog
from usage.price_preview import LeftOut, Preview, preview

pytestmark = pytest.mark.django_db

IN_MARCH = datetime(2026, 3, 10, 8, tzinfo=UTC)
IN_APRIL = datetime(2026, 4, 20, 8, tzinfo=UTC)
MILLION = 1_000_000


def mtok(price: str) -> Decimal:
    return Decimal(price) / MILLION


def a_draft(
    tokens: TokenPrices | None = None,
    *,
    tiers: tuple[Tier, ...] = (),
    units: UnitPrices | None = None,
    batch: Rates | None = None,
    model: str = "gpt-4o",
) -> Price:
    standard = Rates(tokens or TokenPrices(), tiers, units or UnitPrices())
    return Price(0, "openai", model, standard, batch)


PLAIN = a_draft(TokenPrices(input=mtok("5"), output=mtok("20")))
NESTED = TokenPrices(
    input=mtok("3"),
    cached_input=mtok("0.30"),
    cache_write=mtok("3.75"),
    output=mtok("15"),
    reasoning=mtok("20"),
)
UNITS = UnitPrices(*(Decimal(f"0.00{digit}") for digit in range(1, 7)))
TIERS = (
    Tier(1_000, TokenPrices(input=mtok("6"), output=mtok("30"))),
    Tier(2_000, TokenPrices(input=mtok("8"), cached_input=mtok("1"), output=mtok("40"))),
)
BATCH = Rates(
    TokenPrices(input=mtok("1.5"), output=mtok("7")), (Tier(500, NESTED),), UnitPrices(page=Decimal(1))
)


class World:
    """Two accounts whose calls the book's price of gpt-4o rated."""

    def __init__(self) -> None:
        self.price = a_price()
        self.periods = {name: a_period(an_account(name)) for name in ("acme", "globex")}
        self.ids = (f"e{number}" for number in count())

    def call(self, account: str = "acme", *, at: datetime = IN_MARCH, **columns: Any) -> APIUsageLog:
        columns = {"price_id": self.price.pk, **columns}
        return a_log_row(self.periods[account], event_id=next(self.ids), at=at, **columns)


@pytest.fixture
def world() -> World:
    return World()


def one_by_one(draft: Price, rows: Iterable[APIUsageLog]) -> Decimal:
    """What rating every single row gives."""
    names = Quantities._fields
    return sum(
        (
            rate(
                Quantities(*(getattr(row, name) or 0 for name in names)),
                draft,
                batch=row.request_type in BATCH_REQUEST_TYPES,
            ).total
            for row in rows
        ),
        Decimal(0),
    )


def at(draft: Price) -> Preview:
    return preview(draft, at=IN_APRIL)


# --- The same cost as row by row ----------------------------------------------------------------------------

CALLS: list[dict[str, Any]] = [
    {"input_tokens": tokens, "request_type": request_type, "output_tokens": 7}
    for tokens in (None, 499, 500, 501, 999, 1_000, 1_001, 1_999, 2_000, 2_001, 2**31 - 1)
    for request_type in ("", "chat", *sorted(BATCH_REQUEST_TYPES))
] + [
    {"input_tokens": 1_000, "cached_input_tokens": 400, "cache_write_tokens": 100},
    {"input_tokens": 3_000, "cached_input_tokens": 3_000},
    {"output_tokens": 100, "reasoning_tokens": 60},
    {"requests": 3, "searches": 2, "images": 4, "pages": 7, "seconds": Decimal("12.345"), "characters": 9},
    {"input_tokens": 600, "pages": 2, "requests": 1, "request_type": "batch", "reasoning_tokens": 40},
]


@pytest.mark.parametrize(
    "draft",
    [
        PLAIN,
        a_draft(NESTED),
        a_draft(NESTED, tiers=TIERS),
        a_draft(NESTED, tiers=TIERS, units=UNITS),
        a_draft(NESTED, tiers=TIERS, units=UNITS, batch=BATCH),
        a_draft(NESTED, batch=Rates(TokenPrices(output=mtok("1")))),
        a_draft(units=UNITS),
        a_draft(TokenPrices(input=Decimal(0))),
        a_draft(NESTED, tiers=(Tier(0, TokenPrices(input=mtok("1"))), Tier(2**70, NESTED))),
    ],
)
def test_the_month_costs_what_its_rows_cost_one_by_one(world: World, draft: Price) -> None:
    rows = [world.call(account, **call) for call in CALLS for account in world.periods]

    found = at(draft)

    assert found.total.after == one_by_one(draft, rows)
    assert found.total.before == Decimal("0.0035") * len(rows)
    assert found.total.calls == len(rows)


COUNTS = st.none() | st.integers(min_value=0, max_value=5_000)
PRICES = st.none() | st.decimals(min_value=0, max_value=100, places=12)
TOKENS = st.builds(TokenPrices, *(PRICES for _ in TokenPrices._fields))


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    cached, written, plain = (draw(st.integers(min_value=0, max_value=1_500)) for _ in range(3))
    reasoning, answer = (draw(st.integers(min_value=0, max_value=1_500)) for _ in range(2))
    return {
        "input_tokens": cached + written + plain,
        "cached_input_tokens": cached,
        "cache_write_tokens": written,
        "output_tokens": reasoning + answer,
        "reasoning_tokens": reasoning,
        **{name: draw(COUNTS) for name in ("requests", "searches", "images", "pages", "characters")},
        "seconds": draw(st.none() | st.decimals(min_value=0, max_value=10_000, places=3)),
        "request_type": draw(st.sampled_from(["", "chat", "batch", "ai_batch"])),
    }


@st.composite
def rates(draw: st.DrawFn) -> Rates:
    above = sorted(draw(st.sets(st.integers(min_value=0, max_value=4_000), max_size=3)))
    units = UnitPrices(*(draw(PRICES) for _ in UnitPrices._fields))
    return Rates(draw(TOKENS), tuple(Tier(tokens, draw(TOKENS)) for tokens in above), units)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(calls(), min_size=1, max_size=6), rates(), st.none() | rates())
def test_whatever_the_calls_and_the_price_no_digit_differs(
    world: World, made: list[dict[str, Any]], standard: Rates, batch: Rates | None
) -> None:
    APIUsageLog.objects.all().delete()
    draft = Price(0, "openai", "gpt-4o", standard, batch)
    rows = [world.call(account, **call) for call in made for account in world.periods]

    assert at(draft).total.after == one_by_one(draft, rows)


def test_sums_of_more_digits_than_python_usually_keeps_are_exact(world: World) -> None:
    large = Decimal("123456789012.000000000000000001")
    for account in world.periods:
        world.call(account, input_tokens=0, output_tokens=0, cost=large)

    total = at(PLAIN).total

    assert f"{total.before}" == "246913578024.000000000000000002"
    assert f"{total.usd}" == "-246913578024.000000000000000002"


# --- Which calls --------------------------------------------------------------------------------------------


def test_the_month_is_the_whole_calendar_month_before(world: World) -> None:
    instant = timedelta(microseconds=1)
    world.call(at=MARCH - instant)
    inside = [world.call(at=MARCH), world.call(at=APRIL - instant)]
    world.call(at=APRIL)

    found = at(PLAIN)

    assert (found.start, found.end) == (MARCH, APRIL)
    assert found.total.calls == len(inside)


def test_what_surcharges_added_is_left_out_on_both_sides(world: World) -> None:
    world.call(input_tokens=1_000, output_tokens=100, cost="0.0085", surcharge="0.005")

    total = at(a_draft(TokenPrices(input=mtok("2.5"), output=mtok("10")))).total

    assert (total.before, total.after) == (Decimal("0.0035"), Decimal("0.0035"))


def test_calls_of_other_models_and_providers_are_not_looked_at(world: World) -> None:
    world.call(model="o3")
    world.call(provider="gemini")

    assert at(PLAIN).total.calls == 0
    assert at(PLAIN).untouched == []


def test_the_draft_for_any_model_is_for_the_models_without_a_row_of_their_own(world: World) -> None:
    default = a_price("*")
    world.call(model="gpt-4o")
    world.call(model="somebody-elses", price_id=default.pk)

    found = at(a_draft(TokenPrices(input=mtok("5")), model="*"))

    assert (found.total.calls, found.total.after) == (1, Decimal("0.005"))


def test_a_model_that_had_no_row_of_its_own_is_rated_again_from_the_default(world: World) -> None:
    default = a_price("*")
    world.call(model="new-model", price_id=default.pk)

    assert at(PLAIN._replace(model="new-model")).total.calls == 1


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"list_cost": Decimal("0.0035"), "cost": Decimal(0)}, LeftOut.OWN_KEY),
        ({"price_id": None, "cost_source": "provider"}, LeftOut.REPORTED),
        ({"price_id": None, "cost_source": "estimated"}, LeftOut.REPORTED),
        ({"price_id": None, "status_code": 500, "cost": Decimal(0)}, LeftOut.NOTHING_STATED),
        ({"price_id": None}, LeftOut.NO_PRICE),
        ({"price_id": None, "cost_source": "provider", "list_cost": Decimal(1)}, LeftOut.OWN_KEY),
    ],
)
def test_what_no_price_of_the_book_decided_is_left_out_and_counted(
    world: World, columns: dict[str, Any], reason: LeftOut
) -> None:
    rows = [world.call(account, **columns) for account in world.periods]

    found = at(PLAIN)

    assert found.total.calls == 0
    (left,) = found.untouched
    assert (left.reason, left.calls, left.cost) == (reason, 2, sum(row.cost for row in rows))


def test_a_call_another_model_answered_keeps_that_models_price(world: World) -> None:
    world.call(price_id=a_price("o3").pk)

    assert [left.reason for left in at(PLAIN).untouched] == [LeftOut.OTHER_MODEL]


def test_quantities_that_were_guessed_are_rated_again_like_counted_ones(world: World) -> None:
    world.call(cost_source="estimated")

    assert at(PLAIN).total.calls == 1


def test_a_failed_call_that_consumed_something_is_rated_again(world: World) -> None:
    world.call(status_code=500)

    assert at(PLAIN).total.after == Decimal("0.007")  # 1000 × 5/M + 100 × 20/M


# --- What is said of it -------------------------------------------------------------------------------------


def test_the_difference_is_in_dollars_and_percent(world: World) -> None:
    world.call()

    total = at(PLAIN).total

    assert (total.before, total.after) == (Decimal("0.0035"), Decimal("0.007"))
    assert (total.usd, total.percent) == (Decimal("0.0035"), Decimal(100))


def test_from_nothing_there_is_no_percentage(world: World) -> None:
    world.call(cost=Decimal(0))

    assert at(PLAIN).total.percent is None


def test_the_quantities_behind_it_are_added_up(world: World) -> None:
    world.call(cached_input_tokens=200)
    world.call(seconds=Decimal("1.5"))

    quantities = at(PLAIN).quantities

    assert quantities == Quantities(2_000, 200, 0, 200, seconds=Decimal("1.5"))


def test_the_accounts_that_move_most_come_first_up_or_down_alike(world: World) -> None:
    world.call("acme", input_tokens=10, output_tokens=0, cost=Decimal("0.0001"))  # 0.00005: down by 0.00005
    world.call("globex", input_tokens=100, output_tokens=0, cost=Decimal(0))  # up by 0.0005

    found = [(each.account.external_id, each.difference.usd) for each in at(PLAIN).accounts]

    assert found == [("globex", Decimal("0.0005")), ("acme", Decimal("-0.00005"))]


def test_ten_accounts_are_named_and_none_that_pays_the_same(world: World) -> None:
    world.call("acme", cost=Decimal("0.007"))
    for number in range(12):
        world.periods[f"a{number}"] = a_period(an_account(f"a{number}"))
        world.call(f"a{number}", input_tokens=1_000 + number)

    named = [each.account.external_id for each in at(PLAIN).accounts]

    assert named == [f"a{number}" for number in range(11, 1, -1)]


def test_what_the_draft_forgot_to_price_is_named(world: World) -> None:
    world.call(searches=1, requests=1)

    assert at(a_draft(TokenPrices(input=mtok("5")))).unpriced == ["output tokens", "searches"]


def test_a_month_without_calls_costs_nothing(world: World) -> None:
    found = at(PLAIN)

    assert (found.total.before, found.total.after, found.accounts) == (0, 0, [])


# --- How it is read -----------------------------------------------------------------------------------------


def test_the_log_is_read_in_one_statement_and_nothing_is_written(world: World) -> None:
    for account in world.periods:
        world.call(account)

    with CaptureQueriesContext(connection) as asked:
        at(PLAIN)

    statements = [query["sql"].lstrip() for query in asked]
    assert sum("api_usage_logs" in statement for statement in statements) == 1
    assert all(statement.startswith("SELECT") for statement in statements)


def test_only_the_months_partition_is_read(world: World) -> None:
    partitions.ensure([MARCH - timedelta(days=1), MARCH, APRIL])
    world.call()

    with CaptureQueriesContext(connection) as asked:
        at(PLAIN)

    statement = next(query["sql"] for query in asked if "api_usage_logs" in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        plan = " ".join(line for (line,) in cursor.fetchall())
    assert "api_usage_logs_2026_03" in plan
    assert "api_usage_logs_2026_02" not in plan
    assert "api_usage_logs_default" not in plan
