"""Proration: shares of time, to the microsecond, that add up."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from subscriptions.core.proration import NOTHING, Fee, prorate, rest_of
from subscriptions.core.terms import BillingCycle, Term, term_from

MICROSECOND = timedelta(microseconds=1)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
SMALLEST = Decimal("0.000000000000000001")
APRIL = Term(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
LARGEST_FEE = Decimal("9999999999.99")

instants = st.integers(0, 3 * 365 * 86_400 * 1_000_000).map(lambda passed: FIRST + passed * MICROSECOND)
amounts = st.decimals(0, LARGEST_FEE, places=2)
terms = st.builds(
    lambda anchor, cycle: term_from(anchor, anchor=anchor, cycle=cycle),
    instants,
    st.sampled_from(BillingCycle),
)
fees = st.builds(Fee, amounts, terms)


def exact_rest(fee: Fee, at: datetime) -> Fraction:
    left = max(fee.term.end - max(at, fee.term.start), timedelta(0))
    return Fraction(fee.amount) * (left // MICROSECOND) / ((fee.term.end - fee.term.start) // MICROSECOND)


@given(fee=fees, at=instants)
def test_the_rest_is_the_share_of_time_to_the_last_decimal(fee: Fee, at: datetime) -> None:
    error = Fraction(rest_of(fee, at=at)) - exact_rest(fee, at)

    assert abs(error) <= Fraction(SMALLEST) / 2


@given(fee=fees, at=instants)
def test_the_rest_is_never_negative_and_never_more_than_the_fee(fee: Fee, at: datetime) -> None:
    assert 0 <= rest_of(fee, at=at) <= fee.amount


@given(fee=fees, cuts=st.lists(instants, max_size=6))
def test_the_pieces_of_a_term_add_up_to_its_fee(fee: Fee, cuts: list[datetime]) -> None:
    inside = sorted(cut for cut in cuts if fee.term.start < cut < fee.term.end)
    bounds = [fee.term.start, *inside, fee.term.end]
    rests = [rest_of(fee, at=bound) for bound in bounds]

    exact = [exact_rest(fee, bound) for bound in bounds]
    pieces = [before - after for before, after in pairwise(rests)]

    assert sum(pieces) == fee.amount
    for piece, (begins, ends) in zip(pieces, pairwise(exact), strict=True):
        assert piece >= 0
        assert abs(Fraction(piece) - (begins - ends)) <= Fraction(SMALLEST)


@given(fee=fees, one=instants, other=instants)
def test_later_there_is_never_more_left(fee: Fee, one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))

    assert rest_of(fee, at=later) <= rest_of(fee, at=earlier)


@given(term=terms, before=amounts, after=amounts, at=instants)
def test_a_change_and_back_at_the_same_instant_nets_nothing(
    term: Term, before: Decimal, after: Decimal, at: datetime
) -> None:
    there = prorate(Fee(before, term), Fee(after, term), at=at)
    back = prorate(Fee(after, term), Fee(before, term), at=at)

    assert there.due + back.due == 0
    assert (there.credit, there.charge) == (back.charge, back.credit)


@given(term=terms, before=amounts, after=amounts, at=instants)
def test_a_dearer_fee_is_never_a_credit_and_a_cheaper_one_never_a_charge(
    term: Term, before: Decimal, after: Decimal, at: datetime
) -> None:
    due = prorate(Fee(before, term), Fee(after, term), at=at).due

    assert due >= 0 if after >= before else due <= 0


@given(term=terms, before=amounts, after=amounts, one=instants, other=instants)
def test_an_upgrade_and_back_pays_the_difference_for_the_time_between(
    term: Term, before: Decimal, after: Decimal, one: datetime, other: datetime
) -> None:
    assume(one != other)
    up, down = sorted((one, other))
    paid = prorate(Fee(before, term), Fee(after, term), at=up).due
    paid += prorate(Fee(after, term), Fee(before, term), at=down).due

    used = exact_rest(Fee(after, term), up) - exact_rest(Fee(after, term), down)
    spared = exact_rest(Fee(before, term), up) - exact_rest(Fee(before, term), down)
    assert abs(Fraction(paid) - (used - spared)) <= 2 * Fraction(SMALLEST)


@pytest.mark.parametrize(
    ("at", "left"),
    [
        # 30 USD for the 30 days of April: a dollar a day.
        ("2026-03-20T00:00:00", "30"),
        ("2026-04-01T00:00:00", "30"),
        ("2026-04-01T00:00:00.000001", "29.999999999988425926"),
        ("2026-04-02T00:00:00", "29"),
        ("2026-04-16T12:00:00", "14.5"),
        ("2026-04-30T23:59:59.999999", "0.000000000011574074"),
        ("2026-05-01T00:00:00", "0"),
        ("2026-06-01T00:00:00", "0"),
    ],
)
def test_before_within_and_after_the_term(at: str, left: str) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)

    assert rest_of(Fee(Decimal(30), APRIL), at=instant) == Decimal(left)


def test_ten_days_of_a_change_from_30_to_60_dollars_cost_ten() -> None:
    before, after = Fee(Decimal(30), APRIL), Fee(Decimal(60), APRIL)

    found = prorate(before, after, at=datetime(2026, 4, 21, tzinfo=UTC))

    assert (found.credit, found.charge, found.due) == (10, 20, 10)


def test_nothing_is_nothing() -> None:
    assert (NOTHING.credit, NOTHING.charge, NOTHING.due) == (0, 0, 0)
