"""Why costs changed: steps with visible numbers, which always add up."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.core.cost_changes import Causes, Used, causes_of, cost_changes, together


def used(calls: int, tokens: int, cost: str) -> Used:
    return Used(calls=calls, tokens=tokens, cost=Decimal(cost))


def causes(calls: str = "0", size: str = "0", price: str = "0") -> Causes:
    return Causes(calls=Decimal(calls), size=Decimal(size), price=Decimal(price))


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        # 1.00 -> 150 calls 1.50 -> 180,000 tokens 1.80 -> 3.60
        (used(100, 100_000, "1"), used(150, 180_000, "3.6"), causes("0.5", "0.3", "1.8")),
        # twice the calls, all else alike
        (used(10, 1_000, "2"), used(20, 2_000, "4"), causes(calls="2")),
        # as many calls with half the tokens
        (used(10, 1_000, "2"), used(10, 500, "1"), causes(size="-1")),
        # the same tokens for a third
        (used(10, 1_000, "3"), used(10, 1_000, "1"), causes(price="-2")),
        # half the calls, each twice as long: 4 -> 2 -> 4 -> 4
        (used(10, 1_000, "4"), used(5, 1_000, "4"), causes(calls="-2", size="2")),
        # searches have no tokens: 10 at 0.01, then 30 at 0.02
        (used(10, 0, "0.1"), used(30, 0, "0.6"), causes(calls="0.2", price="0.3")),
        # tokens in one of the two say nothing about size: 10 calls 1, 20 would have been 2
        (used(10, 0, "1"), used(20, 500, "5"), causes(calls="1", price="3")),
        (used(10, 500, "1"), used(20, 0, "5"), causes(calls="1", price="3")),
        # what was free has no cost to carry on
        (used(10, 100, "0"), used(20, 200, "5"), causes(price="5")),
    ],
)
def test_each_step_is_what_its_amount_has_more_than_the_one_before(
    before: Used, now: Used, expected: Causes
) -> None:
    assert causes_of(before, now) == expected


def test_what_was_used_in_one_range_only_started_or_stopped_with_all_it_cost() -> None:
    assert causes_of(Used(), used(1, 10, "2")) == Causes(started=Decimal(2))
    assert causes_of(used(1, 10, "2"), Used()) == Causes(stopped=Decimal(-2))


def test_a_third_is_rounded_between_the_steps_and_nothing_is_lost() -> None:
    # 1 USD for 3 calls: one more call makes 0.333333333333333333, the price the rest.
    found = causes_of(used(3, 0, "1"), used(4, 0, "1"))

    assert (found.calls, found.price) == (Decimal("0.333333333333333333"), Decimal("-0.333333333333333333"))


USED = st.builds(
    Used,
    calls=st.integers(0, 10**12),
    tokens=st.integers(0, 10**15),
    cost=st.decimals(min_value=0, max_value=10**17, places=18, allow_nan=False),
)


@given(before=USED, now=USED)
def test_the_causes_add_up_to_the_whole_change_to_the_last_digit(before: Used, now: Used) -> None:
    # In fractions, which round nothing.
    expected = Fraction(now.cost) - Fraction(before.cost)
    assert Fraction(causes_of(before, now).total) == expected


def test_what_changed_most_comes_first_whichever_way() -> None:
    before = {"a": used(1, 1, "5"), "b": used(1, 1, "9"), "gone": used(1, 1, "2")}
    now = {"a": used(1, 1, "6"), "b": used(1, 1, "4"), "new": used(1, 1, "2")}

    # -5, then two of 2 by name, then +1
    changes = cost_changes(before, now)
    assert [(each.key, each.causes.total) for each in changes] == [
        ("b", Decimal(-5)),
        ("gone", Decimal(-2)),
        ("new", Decimal(2)),
        ("a", Decimal(1)),
    ]
    assert [each.key for each in changes if each.is_new] == ["new"]
    assert [each.key for each in changes if each.is_gone] == ["gone"]


def test_together_they_are_the_change_of_the_sum() -> None:
    before = {"a": used(2, 20, "5"), "gone": used(1, 1, "2.5")}
    now = {"a": used(4, 20, "6"), "new": used(1, 1, "0.25")}

    # a: 5 -> 10 -> 5 -> 6; 6.25 after 7.50
    found = together(cost_changes(before, now))
    assert found == Causes(
        calls=Decimal(5),
        size=Decimal(-5),
        price=Decimal(1),
        started=Decimal("0.25"),
        stopped=Decimal("-2.5"),
    )
    assert (found.things, found.total) == (Decimal("-2.25"), Decimal("-1.25"))


def test_what_nobody_called_is_left_out() -> None:
    assert cost_changes({"a": Used()}, {}) == []
