"""The ledger as DESIGN.md describes it, in plain Python: what the database is compared with.

It keeps what happened (calls and open holds) and no counters: what a limit counts is summed anew each time it
is asked for. Nothing here is taken from the SQL.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

MEASURES = ("calls", "tokens", "cost", "searches", "images", "pages", "seconds", "characters")
LENGTHS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(hours=24),
}
KINDS = {"openai": "llm", "tavily": "search", "firecrawl": "scrape", "stability": "image"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Amounts = dict[str, Decimal]


@dataclass(frozen=True)
class Call:
    """Whom and what a call is attributed to."""

    provider: str = "openai"
    model: str = "gpt-4o"
    request_type: str = ""
    team: str = ""
    project: str = ""

    def is_in(self, scope: str, value: str) -> bool:
        match scope:
            case "everything":
                return True
            case "kind":
                return value == KINDS[self.provider]
            case "model":
                return value == f"{self.provider}/{self.model}"
            case _:
                return bool(value == getattr(self, scope))


@dataclass(frozen=True)
class Wish:
    """`calls` alike calls, each of which consumes at most `each`."""

    call: Call
    calls: int
    each: Amounts


@dataclass
class Hold:
    """What is left of one operation's worst case."""

    authorization: str
    position: int
    call: Call
    created_at: datetime
    expires_at: datetime
    left: Amounts


@dataclass
class Authorization:
    """What became of a permission."""

    id: str
    wishes: Sequence[Wish]
    state: str = "open"
    settled_calls: int = 0
    settled_cost: Decimal = Decimal(0)
    overrun: bool = False


@dataclass(frozen=True)
class Recorded:
    """One call that was made. `at` is when it counts in a sliding window: not later than its recording."""

    call: Call
    at: datetime
    recorded_at: datetime
    amounts: Amounts


@dataclass(frozen=True)
class Limit:
    """`amount` None is unlimited."""

    source: str
    measure: str
    scope: str
    value: str
    window: str
    mode: str
    amount: Decimal | None

    @property
    def key(self) -> tuple[str, ...]:
        return (self.source, self.measure, self.scope, self.value, self.window)


def month(at: datetime) -> tuple[int, int]:
    """The billing period of an account without a subscription."""
    return (at.year, at.month)


@dataclass
class Ledger:
    """One account. Operations return what the database is expected to answer."""

    limits: dict[tuple[str, ...], Limit] = field(default_factory=dict)
    calls: list[Recorded] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    authorizations: dict[str, Authorization] = field(default_factory=dict)

    # --- What limits count ------------------------------------------------------------------------------

    def used(self, limit: Limit, *, at: datetime) -> Fraction:
        """What counts as used at `at`; in a sliding window with what is left of the one before."""
        if limit.window == "period":
            return self._called(limit, (each for each in self.calls if month(each.recorded_at) == month(at)))
        if limit.window not in LENGTHS:
            return Fraction(0)
        length = LENGTHS[limit.window]
        begins = at - (at - EPOCH) % length
        before = begins - length
        now = self._called(limit, (each for each in self.calls if each.at >= begins))
        previous = self._called(limit, (each for each in self.calls if before <= each.at < begins))
        previous += self._reserved(limit, (each for each in self.holds if before <= each.created_at < begins))
        return now + previous * (1 - Fraction(_microseconds(at - begins), _microseconds(length)))

    def held(self, limit: Limit, *, at: datetime) -> Fraction:
        """What open holds reserve at `at`."""
        match limit.window:
            case "request":
                return Fraction(0)
            case "concurrent":
                return Fraction(len({hold.authorization for hold in self._holds_in(limit)}))
            case "period":
                return self._reserved(limit, self.holds)
            case window:
                begins = at - (at - EPOCH) % LENGTHS[window]
                return self._reserved(limit, (each for each in self.holds if each.created_at >= begins))

    def _called(self, limit: Limit, calls: Iterable[Recorded]) -> Fraction:
        within = (each for each in calls if each.call.is_in(limit.scope, limit.value))
        return sum((Fraction(each.amounts[limit.measure]) for each in within), Fraction(0))

    def _reserved(self, limit: Limit, holds: Iterable[Hold]) -> Fraction:
        within = (each for each in holds if each.call.is_in(limit.scope, limit.value))
        return sum((Fraction(each.left[limit.measure]) for each in within), Fraction(0))

    def _holds_in(self, limit: Limit) -> list[Hold]:
        return [each for each in self.holds if each.call.is_in(limit.scope, limit.value)]

    # --- What happens -----------------------------------------------------------------------------------

    def refusing(self, wishes: Sequence[Wish], *, at: datetime) -> set[tuple[str, ...]]:
        """The keys of the limits without room for the wishes as a whole."""
        self.expire(at=at)
        return {limit.key for limit in self.limits.values() if self._refuses(limit, wishes, at=at)}

    def _refuses(self, limit: Limit, wishes: Sequence[Wish], *, at: datetime) -> bool:
        touching = [wish for wish in wishes if wish.call.is_in(limit.scope, limit.value)]
        each = [Fraction(wish.each[limit.measure]) for wish in touching]
        match limit.window:
            case "request":
                asked = max(each, default=Fraction(0))
            case "concurrent":
                asked = Fraction(min(len(touching), 1))
            case _:
                asked = sum((wish.calls * one for wish, one in zip(touching, each, strict=True)), Fraction(0))
        if limit.mode != "block" or limit.amount is None or not asked:
            return False
        return self.used(limit, at=at) + self.held(limit, at=at) + asked > limit.amount

    def grant(self, id: str, wishes: Sequence[Wish], *, at: datetime, lifetime: timedelta) -> None:
        """Hold the worst case of the wishes, which nothing refuses."""
        self.authorizations[id] = Authorization(id, wishes)
        for position, wish in enumerate(wishes):
            left = {name: amount * wish.calls for name, amount in wish.each.items()}
            self.holds.append(Hold(id, position, wish.call, at, at + lifetime, left))

    def record(self, call: Call, amounts: Amounts, *, at: datetime, time: datetime, by: str = "") -> bool:
        """A call was made, authorized `by` that authorization; returns whether it went beyond its hold."""
        self.calls.append(Recorded(call, min(time, at), at, amounts))
        return bool(by) and self._draw(self.authorizations[by], call, amounts)

    def is_over(self, id: str, *, at: datetime) -> bool:
        """Whether nothing is permitted by it any more: released, expired, or past its deadline."""
        state = self.authorizations[id].state
        past = any(hold.authorization == id and hold.expires_at <= at for hold in self.holds)
        return state in ("released", "expired") or (state == "open" and past)

    def hold_for(self, id: str, call: Call, amounts: Amounts) -> Hold | None:
        """The hold that a call authorized by `id` draws: of its provider; better the more it is alike; of
        those alike the least that is enough.
        """

        def unlike(hold: Hold) -> tuple[object, ...]:
            names = ("model", "request_type", "team", "project")
            is_enough = all(amounts[name] <= hold.left[name] for name in MEASURES[1:])
            return (
                *(getattr(hold.call, name) != getattr(call, name) for name in names),
                not is_enough, hold.left["cost"], hold.left["tokens"], hold.position,
            )  # fmt: skip

        of_provider = [
            hold for hold in self.holds if hold.authorization == id and hold.call.provider == call.provider
        ]
        return min(of_provider, key=unlike, default=None)

    def _draw(self, authorization: Authorization, call: Call, amounts: Amounts) -> bool:
        hold = self.hold_for(authorization.id, call, amounts)
        over = hold is None or any(amounts[name] > hold.left[name] for name in MEASURES[1:])
        if hold and hold.left["calls"] == 1:
            self.holds.remove(hold)
            if all(other.authorization != authorization.id for other in self.holds):
                authorization.state = "settled"
        elif hold:
            hold.left = {name: left - min(left, amounts[name]) for name, left in hold.left.items()}
        authorization.settled_calls += 1
        authorization.settled_cost += amounts["cost"]
        authorization.overrun = authorization.overrun or over
        return over

    def release(self, id: str) -> bool:
        """Give back what it holds; returns False where only settled calls are left of it."""
        given_back = self._close([hold for hold in self.holds if hold.authorization == id], "released")
        return given_back or self.authorizations[id].state != "settled"

    def expire(self, *, at: datetime) -> int:
        """Give back what is past its deadline; returns how many holds that were."""
        due = [hold for hold in self.holds if hold.expires_at <= at]
        self._close(due, "expired")
        return len(due)

    def _close(self, holds: Sequence[Hold], state: str) -> bool:
        for hold in holds:
            self.holds.remove(hold)
            authorization = self.authorizations[hold.authorization]
            settled = state == "released" and authorization.settled_calls
            authorization.state = "settled" if settled else state
        return bool(holds)

    def extend(self, id: str, *, at: datetime, by: timedelta) -> bool:
        """Move its deadline; returns False where it is closed or past it."""
        holds = [hold for hold in self.holds if hold.authorization == id and hold.expires_at > at]
        for hold in holds:
            hold.expires_at = at + by
        return bool(holds)

    def put(self, source: str, limits: Iterable[Limit]) -> None:
        """These are the limits of the source from now on; all of them are of it."""
        self.limits = {key: limit for key, limit in self.limits.items() if limit.source != source}
        self.limits |= {limit.key: limit for limit in limits}


def _microseconds(length: timedelta) -> int:
    return length // timedelta(microseconds=1)
