"""Chart geometry by tables: the arithmetic stands in the cases."""

from decimal import Decimal

import pytest

from alwrity_billing.dashboard.charts import (
    BOTTOM,
    HEIGHT,
    SEGMENT_LOWEST,
    TOP,
    Chart,
    Stack,
    stacked_bars,
    tick_amounts,
    tick_labels,
    tick_step,
)

PLOT = HEIGHT - TOP - BOTTOM
BASELINE = HEIGHT - BOTTOM


def a_chart(*days: tuple[str, ...]) -> Chart:
    """One bar per tuple of amounts, each amount a series of its own."""
    stacks = [
        Stack(label=f"day {index}", headline=f"headline {index}", amounts=tuple(map(Decimal, amounts)))
        for index, amounts in enumerate(days)
    ]
    return stacked_bars(stacks, tones=[str(series) for series in range(1, len(days[0]) + 1)])


@pytest.mark.parametrize(
    ("maximum", "step"),
    [
        ("4", "1"),
        ("4.0000001", "2"),
        ("8", "2"),
        ("8.01", "2.5"),
        ("10", "2.5"),
        ("10.01", "5"),
        ("20", "5"),
        ("20.01", "10"),
        ("0.04", "0.01"),
        ("0.000000000000000001", "0.00000000000000000025"),
        ("999999999999999999", "250000000000000000"),
    ],
)
def test_the_step_is_the_smallest_nice_one_that_reaches_the_maximum_in_four(maximum: str, step: str) -> None:
    assert tick_step(Decimal(maximum)) == Decimal(step)


@pytest.mark.parametrize(
    ("maximum", "amounts"),
    [
        ("0", ["0", "0.25", "0.50", "0.75", "1"]),
        ("23.67", ["0", "10", "20", "30"]),
        ("40", ["0", "10", "20", "30", "40"]),
        ("0.003", ["0", "0.001", "0.002", "0.003"]),
    ],
)
def test_ticks_run_from_nothing_to_the_first_step_that_is_not_below_the_maximum(
    maximum: str, amounts: list[str]
) -> None:
    assert tick_amounts(Decimal(maximum)) == tuple(map(Decimal, amounts))


@pytest.mark.parametrize(
    ("amounts", "labels"),
    [
        (["0", "10", "20"], ["$0", "$10", "$20"]),
        (["0", "0.5", "1.0"], ["$0", "$0.50", "$1.00"]),
        (["0", "0.25", "0.5"], ["$0", "$0.25", "$0.50"]),
        (["0", "0.0005", "0.001"], ["$0", "$0.0005", "$0.0010"]),
        (["0", "2500", "5000"], ["$0", "$2,500", "$5,000"]),
        (["0", "5000", "10000"], ["$0", "$5K", "$10K"]),
        (["0", "2500", "10000"], ["$0", "$2.5K", "$10.0K"]),
        (["0", "1000000"], ["$0", "$1M"]),
        (["0", "2E9"], ["$0", "$2B"]),
        (["0", "5E17"], ["$0", "$500,000T"]),
        (["0", "2.5E-9"], ["$0", "$2.5e-9"]),
    ],
)
def test_labels_share_one_unit_and_as_many_places(amounts: list[str], labels: list[str]) -> None:
    assert tick_labels([Decimal(amount) for amount in amounts]) == tuple(labels)


def test_a_bar_is_as_high_as_its_amount_on_the_axis() -> None:
    # The axis reaches 40, the first bar 10 of it, the second 40.
    first, second = a_chart(("10",), ("40",)).columns
    assert first.segments[0].height == Decimal(PLOT) / 4
    assert first.segments[0].y == BASELINE - Decimal(PLOT) / 4
    assert second.segments[0].y == TOP


def test_segments_pile_up_in_the_order_of_the_series() -> None:
    lower, upper = a_chart(("10", "30")).columns[0].segments
    assert (lower.tone, upper.tone) == ("1", "2")
    assert lower.y + lower.height == BASELINE
    assert upper.y + upper.height == lower.y
    assert upper.y == TOP


def test_a_series_without_an_amount_has_no_segment() -> None:
    assert [segment.tone for segment in a_chart(("1", "0", "1")).columns[0].segments] == ["1", "3"]


def test_without_any_amount_there_is_an_axis_and_no_bar() -> None:
    chart = a_chart(("0",), ("0",))
    assert [tick.label for tick in chart.ticks] == ["$0", "$0.25", "$0.50", "$0.75", "$1.00"]
    assert [column.segments for column in chart.columns] == [(), ()]


def test_an_amount_too_small_to_see_is_still_drawn() -> None:
    tiny = a_chart(("0.000001",), ("1000000",)).columns[0].segments[0]
    assert tiny.height == SEGMENT_LOWEST


@pytest.mark.parametrize("amount", ["0.000000000000000001", "999999999999999999.999999999999999999"])
def test_the_smallest_and_the_largest_cost_stay_within_the_plot(amount: str) -> None:
    segment = a_chart((amount,)).columns[0].segments[0]
    assert TOP <= segment.y < BASELINE
    assert segment.y + segment.height == BASELINE


def test_a_pile_of_the_thinnest_segments_stays_on_the_drawing() -> None:
    # The axis ends at 1,000,000: the first segment nearly fills the plot.
    column = a_chart(("999999", *["0.000001"] * 6)).columns[0]
    assert 0 < column.segments[-1].y < TOP


def test_one_day_is_a_slim_bar_in_the_middle_with_its_date() -> None:
    column = a_chart(("1",)).columns[0]
    assert (column.x, column.width, column.centre) == (Decimal(47), Decimal(6), Decimal(50))
    assert column.is_dated


def test_slots_fill_the_width_and_bars_stand_in_their_middle() -> None:
    chart = a_chart(*[("1",)] * 40)
    assert chart.columns[0].slot_x == 0
    assert chart.columns[-1].slot_x + chart.columns[-1].slot_width == 100
    for column in chart.columns:
        assert column.slot_x < column.x < column.centre < column.x + column.width
        assert column.x + column.width < column.slot_x + column.slot_width


def test_dates_are_counted_back_from_the_last_day_and_every_other_one_may_go() -> None:
    columns = a_chart(*[("1",)] * 30).columns
    dated = [(index, column.is_minor) for index, column in enumerate(columns) if column.is_dated]
    assert dated == [(4, True), (9, False), (14, True), (19, False), (24, True), (29, False)]


def test_the_title_says_the_headline_and_then_the_details() -> None:
    stack = Stack(label="1 Mar", headline="$3", details=("openai $2", "tavily $1"), amounts=(Decimal(3),))
    column = stacked_bars([stack], tones=["1"]).columns[0]
    assert column.title == "$3\nopenai $2\ntavily $1"


def test_the_gutter_grows_with_the_longest_label() -> None:
    assert a_chart(("4",)).gutter < a_chart(("0.0004",)).gutter


def test_a_mark_stands_where_the_bar_ends_and_on_the_baseline_without_one() -> None:
    # The highest bar fills the plot; the day without any has none.
    full, none = a_chart(("3", "1"), ("0", "0")).columns

    assert (full.top, none.top) == (TOP, BASELINE)
