"""What may happen to a subscription in which state, and where it then is: one table, no other rule."""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a subscription stands. Calls are allowed while trialing, active and past due."""

    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    PAUSED = "paused"
    CANCELED = "canceled"
    EXPIRED = "expired"


class Move(StrEnum):
    """What happens to a subscription."""

    RENEW = "renew"
    END_TRIAL = "end_trial"
    EXTEND_TRIAL = "extend_trial"
    CHANGE_PLAN = "change_plan"
    SCHEDULE = "schedule"
    PAUSE = "pause"
    RESUME = "resume"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_RECEIVED = "payment_received"
    CANCEL = "cancel"
    EXPIRE = "expire"
    REACTIVATE = "reactivate"


USABLE = frozenset({State.TRIALING, State.ACTIVE, State.PAST_DUE})
ENDED = frozenset({State.CANCELED, State.EXPIRED})

# From a state, a move leads to one of these. Resuming leads back to where the pause began.
TRANSITIONS: Mapping[Move, Mapping[State, frozenset[State]]] = {
    Move.RENEW: {state: frozenset({state}) for state in (State.ACTIVE, State.PAST_DUE, State.PAUSED)},
    Move.END_TRIAL: {
        State.TRIALING: frozenset({State.ACTIVE}),
        # A trial that ends during a pause: what is resumed is no trial any more.
        State.PAUSED: frozenset({State.PAUSED}),
    },
    Move.EXTEND_TRIAL: {State.TRIALING: frozenset({State.TRIALING})},
    Move.CHANGE_PLAN: {state: frozenset({state}) for state in (State.TRIALING, State.ACTIVE)},
    # Something is to happen at the end of the term, or is no longer to.
    Move.SCHEDULE: {
        state: frozenset({state}) for state in (State.TRIALING, State.ACTIVE, State.PAST_DUE, State.PAUSED)
    },
    Move.PAUSE: {state: frozenset({State.PAUSED}) for state in USABLE},
    Move.RESUME: {State.PAUSED: USABLE},
    Move.PAYMENT_FAILED: {State.ACTIVE: frozenset({State.PAST_DUE})},
    Move.PAYMENT_RECEIVED: {State.PAST_DUE: frozenset({State.ACTIVE})},
    Move.CANCEL: {state: frozenset({State.CANCELED}) for state in (*sorted(USABLE), State.PAUSED)},
    Move.EXPIRE: {
        state: frozenset({State.EXPIRED}) for state in (State.TRIALING, State.PAST_DUE, State.PAUSED)
    },
    Move.REACTIVATE: {state: frozenset({State.ACTIVE}) for state in ENDED},
}


def allows(move: Move, *, before: State, after: State | None = None) -> bool:
    """Whether `move` may happen to a subscription in state `before`, and lead to `after` where given."""
    reached = TRANSITIONS[move].get(before, frozenset())
    return bool(reached) if after is None else after in reached
