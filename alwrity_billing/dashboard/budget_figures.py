"""How an account's spending stands against its budget, and against what its plan lets pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from subscriptions import budget_protection
from subscriptions.budget_protection import GRANTING, SPEND_LIMITS
from subscriptions.models import Budget
from usage import limits, queries
from usage.core.money import ZERO
from usage.limits import LimitState
from usage.models import Account, LimitScope, LimitSource, Measure, Window

WINDOWS = {
    Window.PERIOD: "This billing period",
    Window.DAY: "The last day",
    Window.HOUR: "The last hour",
    Window.REQUEST: "One request",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Spending within a window, USD. `own` is the customer's bound and `granted` what plan or our staff let
    pass, by whom; None is none. `used` is None where nothing adds up, as for one request.

    `left` is what still passes; `percent` how much of the customer's own bound is used.
    """

    window: str
    own: Decimal | None
    granted: Decimal | None
    granted_by: str
    used: Decimal | None
    left: Decimal | None
    resets_at: datetime | None

    @property
    def percent(self) -> Decimal | None:
        """Of the smaller of both bounds, at most 100."""
        bounds = [each for each in (self.own, self.granted) if each is not None]
        if self.used is None or not bounds:
            return None
        return Decimal(100) if not min(bounds) else min(100 * self.used / min(bounds), Decimal(100))


def bounds_of(account: Account, budget: Budget, *, at: datetime) -> list[Bound]:
    """The billing period first, then the shorter windows. Three queries."""
    states = [
        state
        for state in limits.states(account, at=at)
        if (state.measure, state.scope) == (Measure.COST, LimitScope.EVERYTHING)
    ]
    period = queries.period_at(account, at=at)
    spent = ZERO if period is None else queries.period_totals(account, period=period).cost
    ends = None if period is None else period.period_end
    bounds = [_bound(states, Window.PERIOD, own=budget.monthly_budget, used=spent, resets_at=ends)]
    for setting, window in reversed(SPEND_LIMITS.items()):
        counted = [state.used for state in states if state.window == window]
        # A request begins with nothing used; of the others something counts only where there is a limit.
        used = None if window is Window.REQUEST or not counted else max(counted)
        bounds.append(_bound(states, window, own=getattr(budget, setting), used=used))
    return bounds


def _bound(
    states: Sequence[LimitState],
    window: Window,
    *,
    own: Decimal | None,
    used: Decimal | None,
    resets_at: datetime | None = None,
) -> Bound:
    granted = budget_protection.allowed((state for state in states if state.source in GRANTING), window)
    refusing = budget_protection.allowed(states, window)
    left = None if refusing is None or used is None else refusing.remaining
    if left is None and own is not None and used is not None:
        # The budget only tells.
        left = max(own - used, ZERO)
    return Bound(
        window=WINDOWS[window],
        own=own,
        granted=None if granted is None else granted.amount,
        granted_by="" if granted is None else _by(granted),
        used=used,
        left=left,
        resets_at=resets_at,
    )


def _by(granted: LimitState) -> str:
    return "our staff" if granted.source == LimitSource.OVERRIDE else "plan"
