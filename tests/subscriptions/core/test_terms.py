"""Terms tile for decades whatever their anchor, and hold whole billing months."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core.terms import BillingCycle, Term, Timing, term_around, term_from, timing
from usage.core.calendar import anchored_month

MICROSECOND = timedelta(microseconds=1)
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2050, 12, 31, tzinfo=UTC)
ANCHORS = st.integers(0, (LAST - FIRST) // MICROSECOND).map(lambda passed: FIRST + passed * MICROSECOND)
CYCLES = st.sampled_from(BillingCycle)
MONTHLY, YEARLY = BillingCycle.MONTHLY, BillingCycle.YEARLY


def terms(anchor: datetime, cycle: BillingCycle, *, count: int) -> list[Term]:
    """The first terms from the anchor on, each from the end of the one before."""
    found = [term_from(anchor, anchor=anchor, cycle=cycle)]
    while len(found) < count:
        found.append(term_from(found[-1].end, anchor=anchor, cycle=cycle))
    return found


def months_in(term: Term, *, anchor: datetime) -> list[tuple[datetime, datetime]]:
    """The billing months from the term's start on that begin before its end."""
    found = [anchored_month(anchor, term.start)]
    while found[-1][1] < term.end:
        found.append(anchored_month(anchor, found[-1][1]))
    return found


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(anchor=ANCHORS, cycle=CYCLES)
def test_thirty_years_of_terms_never_drift_off_the_anchors_day(anchor: datetime, cycle: BillingCycle) -> None:
    found = terms(anchor, cycle, count=30 * 12 // cycle.months)

    for number, term in enumerate(found, start=1):
        months = anchor.year * 12 + anchor.month - 1 + number * cycle.months
        assert (term.end.year, term.end.month) == (months // 12, months % 12 + 1)
        last_of_month = (term.end + timedelta(days=1)).day == 1
        assert term.end.day == anchor.day or (term.end.day < anchor.day and last_of_month)
        assert term.end.timetz() == anchor.timetz()


@given(anchor=ANCHORS, cycle=CYCLES, number=st.integers(0, 40))
def test_a_term_begins_and_ends_with_a_billing_month(
    anchor: datetime, cycle: BillingCycle, number: int
) -> None:
    term = terms(anchor, cycle, count=number + 1)[-1]

    months = months_in(term, anchor=anchor)

    assert (months[0][0], months[-1][1]) == term
    assert len(months) == (12 if cycle is YEARLY else 1)


@given(anchor=ANCHORS, at=ANCHORS, cycle=CYCLES)
def test_the_term_around_an_instant_begins_with_its_month(
    anchor: datetime, at: datetime, cycle: BillingCycle
) -> None:
    term = term_around(at, anchor=anchor, cycle=cycle)

    assert term.start == anchored_month(anchor, at)[0]
    assert term.start <= at < anchored_month(anchor, at)[1] <= term.end
    assert term == term_around(term.start, anchor=anchor, cycle=cycle)
    assert term.end == term_around(term.end, anchor=anchor, cycle=cycle).start


@pytest.mark.parametrize(
    ("anchor", "cycle", "ends"),
    [
        ("2026-01-31", MONTHLY, ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("2028-01-30", MONTHLY, ["2028-02-29", "2028-03-30", "2028-04-30", "2028-05-30"]),
        ("2028-02-29", YEARLY, ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        ("2026-12-31", YEARLY, ["2027-12-31", "2028-12-31", "2029-12-31", "2030-12-31"]),
    ],
)
def test_a_term_ends_on_the_last_day_of_a_month_that_lacks_the_anchors(
    anchor: str, cycle: BillingCycle, ends: list[str]
) -> None:
    assert [term.end for term in terms(day(anchor), cycle, count=4)] == [day(end) for end in ends]


@pytest.mark.parametrize(
    ("at", "begins"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2026-02-27T23:59:59.999999", "2026-01-31"),
        ("2026-02-28", "2026-02-28"),
        ("2026-03-30T23:59:59.999999", "2026-02-28"),
        ("2026-03-31", "2026-03-31"),
    ],
)
def test_a_year_chosen_in_a_month_is_counted_from_its_beginning(at: str, begins: str) -> None:
    term = term_around(day(at), anchor=day("2026-01-31"), cycle=YEARLY)

    assert term.start == day(begins)
    assert term.end == day(begins.replace("2026", "2027"))


@pytest.mark.parametrize(
    ("before", "after", "same_plan", "expected"),
    [
        # A dearer plan at once, a cheaper one at the term's end, whatever is paid at a time.
        (("10", MONTHLY), ("10.01", MONTHLY), False, Timing.NOW),
        (("10", MONTHLY), ("9.99", MONTHLY), False, Timing.AT_TERM_END),
        (("10", MONTHLY), ("20", YEARLY), False, Timing.NOW),
        (("10", YEARLY), ("20", MONTHLY), False, Timing.NOW),
        (("20", MONTHLY), ("10", YEARLY), False, Timing.AT_TERM_END),
        (("20", YEARLY), ("10", MONTHLY), False, Timing.AT_TERM_END),
        # Of the same price the longer cycle is more, and the shorter less.
        (("10", MONTHLY), ("10", MONTHLY), False, Timing.NOW),
        (("10", MONTHLY), ("10", YEARLY), False, Timing.NOW),
        (("10", YEARLY), ("10", YEARLY), False, Timing.NOW),
        (("10", YEARLY), ("10", MONTHLY), False, Timing.AT_TERM_END),
        # So it is of the same plan, though a new version has another price.
        (("10", MONTHLY), ("10", YEARLY), True, Timing.NOW),
        (("10", YEARLY), ("10", MONTHLY), True, Timing.AT_TERM_END),
        (("20", MONTHLY), ("10", YEARLY), True, Timing.NOW),
        (("10", YEARLY), ("20", MONTHLY), True, Timing.AT_TERM_END),
    ],
)
def test_what_gives_more_takes_effect_at_once_and_what_gives_less_at_the_terms_end(
    before: tuple[str, BillingCycle], after: tuple[str, BillingCycle], same_plan: bool, expected: Timing
) -> None:
    found = timing(
        price_before=Decimal(before[0]),
        price_after=Decimal(after[0]),
        cycle_before=before[1],
        cycle_after=after[1],
        same_plan=same_plan,
    )

    assert found is expected
