"""The table of states, written out once more: each move from each state, and where it leads."""

import pytest

from subscriptions.core.states import ENDED, USABLE, Move, State, allows

# What each move leads to from trialing, active, past due, paused, canceled and expired; "-" is refused.
STATES = ("trialing", "active", "past_due", "paused", "canceled", "expired")
TABLE = {
    "renew": ("-", "active", "past_due", "paused", "-", "-"),
    "end_trial": ("active", "-", "-", "paused", "-", "-"),
    "extend_trial": ("trialing", "-", "-", "-", "-", "-"),
    "change_plan": ("trialing", "active", "-", "-", "-", "-"),
    "schedule": ("trialing", "active", "past_due", "paused", "-", "-"),
    "pause": ("paused", "paused", "paused", "-", "-", "-"),
    "resume": ("-", "-", "-", "trialing active past_due", "-", "-"),
    "payment_failed": ("-", "past_due", "-", "-", "-", "-"),
    "payment_received": ("-", "-", "active", "-", "-", "-"),
    "cancel": ("canceled", "canceled", "canceled", "canceled", "-", "-"),
    "expire": ("expired", "-", "expired", "expired", "-", "-"),
    "reactivate": ("-", "-", "-", "-", "active", "active"),
}
EVERY = [
    (move, before, leads_to)
    for move, row in TABLE.items()
    for before, leads_to in zip(STATES, row, strict=True)
]


def test_the_table_names_every_move_and_every_state() -> None:
    assert set(TABLE) == set(Move)
    assert set(STATES) == set(State)


@pytest.mark.parametrize(("move", "before", "leads_to"), EVERY)
def test_a_move_leads_where_the_table_says_and_nowhere_else(move: str, before: str, leads_to: str) -> None:
    reached = {after for after in State if allows(Move(move), before=State(before), after=after)}

    assert reached == ({State(each) for each in leads_to.split()} if leads_to != "-" else set())
    assert allows(Move(move), before=State(before)) is (leads_to != "-")


def test_calls_are_allowed_in_three_states_and_two_are_the_end() -> None:
    assert {"trialing", "active", "past_due"} == USABLE
    assert {"canceled", "expired"} == ENDED
