"""What usage comes to under a plan's terms, and lines in cents that add up."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core.invoices import (
    TRANSITIONS,
    InvoiceState,
    Line,
    LineKind,
    UsageTerms,
    allows,
    charge_for,
    round_lines,
    usage_lines,
)
from subscriptions.core.terms import Term
from usage.core.period_usage import UsageGroup

MARCH = Term(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
CENT = Decimal("0.01")
exact_amounts = st.decimals(Decimal(-1000), Decimal(1000), places=18)
costs = st.decimals(0, Decimal(10**9), places=18)


def terms(
    included: str | None, *, markup: str = "20", maximum: str | None = None, bills: bool = True
) -> UsageTerms:
    return UsageTerms(
        included=None if included is None else Decimal(included),
        bills=bills,
        markup_percent=Decimal(markup),
        maximum=None if maximum is None else Decimal(maximum),
    )


@pytest.mark.parametrize(
    ("cost", "included", "above", "overage", "markup"),
    [
        ("0", "0", "0", "0", "0"),
        ("99.999999", "99.999999", "0", "0", "0"),  # below what is included
        ("100", "100", "0", "0", "0"),  # at it
        ("100.000001", "100", "0", "0.000001", "0.0000002"),  # above: 20 % of a millionth
        ("249.99", "100", "0", "149.99", "29.998"),  # below the maximum of 250
        ("250", "100", "0", "150", "30"),  # at it
        ("250.01", "100", "0.01", "150", "30"),  # above: the cent is never charged
        ("1000", "100", "750", "150", "30"),
    ],
)
def test_usage_splits_at_what_is_included_and_at_the_maximum(
    cost: str, included: str, above: str, overage: str, markup: str
) -> None:
    charge = charge_for(Decimal(cost), terms("100", maximum="250"))

    assert charge == (Decimal(cost), Decimal(included), Decimal(above), Decimal(overage), Decimal(markup))


@pytest.mark.parametrize(
    ("of", "charged"),
    [
        (terms("100", bills=False), "0"),  # the plan refuses or pauses: nobody pays beyond it
        (terms(None), "0"),  # all usage is included
        (terms("0"), "360"),  # nothing is: 300 and 20 %
        (terms("0", markup="0"), "300"),
        (terms("0", markup="0", maximum="0"), "0"),  # nothing may be charged
        (terms("100", markup="0", maximum="50"), "0"),  # a maximum below what is included charges nothing
    ],
)
def test_what_a_usage_of_300_is_charged_with(of: UsageTerms, charged: str) -> None:
    charge = charge_for(Decimal(300), of)

    assert charge.overage + charge.markup == Decimal(charged)


@given(cost=costs, included=costs, above=costs)
def test_the_parts_of_a_charge_always_add_up_to_the_usage(
    cost: Decimal, included: Decimal, above: Decimal
) -> None:
    charge = charge_for(cost, UsageTerms(included, True, Decimal(7), included + above))

    assert charge.included + charge.above_maximum + charge.overage == cost
    assert min(charge) >= 0


@given(st.lists(exact_amounts, max_size=60))
def test_rounded_lines_add_up_to_the_rounded_sum_and_none_is_off_by_a_cent(precise: list[Decimal]) -> None:
    rounded = round_lines(precise)

    exact = sum(precise, Decimal(0))
    assert sum(rounded, Decimal(0)) == exact.quantize(CENT, rounding=ROUND_HALF_EVEN)
    assert all(abs(cents - amount) < CENT for cents, amount in zip(rounded, precise, strict=True))
    assert all(cents == cents.quantize(CENT) for cents in rounded)


def test_many_small_lines_are_not_lost_in_rounding() -> None:
    # 250 lines of 0.4 cents are 1 USD; each rounded by itself they were nothing.
    assert sum(round_lines([Decimal("0.004")] * 250)) == Decimal("1.00")


def test_half_a_cent_goes_to_the_even_one() -> None:
    assert round_lines([Decimal("0.005")]) == [Decimal("0.00")]
    assert round_lines([Decimal("0.015")]) == [Decimal("0.02")]


def a_group(cost: str, *, late: bool = False, price_id: int | None = 7, **counts: int) -> UsageGroup:
    return UsageGroup(
        provider="openai",
        model="gpt-4o",
        price_id=price_id,
        late=late,
        first_at=datetime(2026, 2, 27, tzinfo=UTC) if late else datetime(2026, 3, 2, tzinfo=UTC),
        last_at=datetime(2026, 2, 28, tzinfo=UTC) if late else datetime(2026, 3, 9, tzinfo=UTC),
        calls=3,
        quantities=counts,
        surcharge=Decimal(0),
        cost=Decimal(cost),
        evidence="ab" * 32,
    )


def lines_of(groups: Sequence[UsageGroup], terms: UsageTerms) -> list[Line]:
    spelled = {"openai": "OpenAI"}
    return usage_lines(groups, terms, term=MARCH, plan="Pro", version_id=1, name_of=spelled.__getitem__)


def test_usage_is_listed_at_its_cost_and_then_what_comes_off_and_on() -> None:
    groups = [a_group("60", input_tokens=900, output_tokens=100), a_group("200", late=True, images=4)]

    lines = lines_of(groups, terms("100", maximum="250"))

    assert [(line.kind, line.precise) for line in lines] == [
        (LineKind.USAGE, Decimal(60)),
        (LineKind.LATE_USAGE, Decimal(200)),
        (LineKind.INCLUDED, Decimal(-100)),
        (LineKind.ABOVE_MAXIMUM, Decimal(-10)),
        (LineKind.MARKUP, Decimal(30)),  # 20 % of 150
    ]
    assert [(line.unit, line.quantity) for line in lines[:2]] == [("token", 1000), ("image", 4)]
    assert lines[0].term == MARCH
    assert lines[1].term == (groups[1].first_at, groups[1].last_at)
    assert (lines[0].event_count, lines[0].evidence, lines[0].price_id) == (3, "ab" * 32, 7)


@pytest.mark.parametrize(
    ("cost", "price_id", "told"),
    [
        ("60", 7, "gpt-4o (OpenAI): 3 calls"),
        ("60", None, "gpt-4o (OpenAI): 3 calls, at the cost reported"),
        ("0", None, "gpt-4o (OpenAI): 3 calls, nothing to pay"),
    ],
)
def test_calls_that_no_price_rated_say_so(cost: str, price_id: int | None, told: str) -> None:
    lines = lines_of([a_group(cost, price_id=price_id)], terms("100"))

    assert lines[0].description == told


def test_a_period_without_usage_has_no_lines() -> None:
    assert lines_of([], terms("100")) == []


def test_an_invoice_only_ever_moves_towards_its_end() -> None:
    ends = {state for state, after in TRANSITIONS.items() if not after}

    assert ends == {InvoiceState.PAID, InvoiceState.VOID}
    assert allows(InvoiceState.UNCOLLECTIBLE, InvoiceState.PAID)
    assert not allows(InvoiceState.PAID, InvoiceState.OPEN)
    assert not any(allows(state, InvoiceState.DRAFT) for state in InvoiceState)
