"""The one door through which plans, budgets and overrides write the limits of an account, and their reading.

A limit is data: whoever sells plans pushes the amounts down here and this app enforces them, whatever they
come from. All sources are enforced side by side, so the strictest wins.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection, transaction

from usage import limit_counts, moves, periods
from usage.authorization import LOCK_ACCOUNT
from usage.core.errors import InvalidRequest
from usage.core.money import COST_MAX_DIGITS, COST_PLACES, ZERO
from usage.models import (
    Account,
    BillingPeriod,
    LimitMode,
    LimitScope,
    LimitSource,
    Measure,
    UsageLimit,
    Window,
)
from usage.providers import PROVIDERS

MAX_LIMITS = 200
MAX_NAME_LENGTH = 64
MAX_VALUE_LENGTH = 256
KINDS = sorted({provider.kind for provider in PROVIDERS.values()})
WINDOW_STARTS = """
SELECT name, COALESCE(usage_window_start(name, %s, %s), %s) FROM unnest(%s::text[]) AS name
"""
LIMITS_AT = """
SELECT name, source, measure, scope, scope_value, window_name, mode, amount,
       used + usage_still_counted(previous, window_name, window_start, %(at)s), held, window_start,
       window_end
FROM usage_limits_at(%(account)s, %(at)s) ORDER BY id
"""

NEARLY_USED_UP = """
SELECT account_id, account_name, name, taken, amount, percent FROM (
    SELECT DISTINCT ON (account.id) account.id AS account_id, account.name AS account_name, counting.name,
           counting.used + counting.held AS taken, counting.amount,
           100 * (counting.used + counting.held) / counting.amount AS percent
    FROM usage_limits counting
    JOIN accounts account ON account.id = counting.account_id
    JOIN billing_periods period ON period.account_id = counting.account_id
         AND period.period_start = counting.window_start AND period.period_end > %(at)s
    WHERE counting."window" = 'period' AND counting.mode = 'block' AND counting.amount > 0
      AND 100 * (counting.used + counting.held) >= %(percent)s * counting.amount
    ORDER BY account.id, percent DESC
) fullest ORDER BY percent DESC, account_name LIMIT %(most)s
"""

Key = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitTerms:
    """What a limit allows: `amount` of a measure in a window, over the calls of a scope.

    `amount` None is unlimited, 0 is nothing at all. `name` is how people and programs refer to it.
    """

    name: str
    measure: Measure
    window: Window
    amount: Decimal | None
    scope: LimitScope = LimitScope.EVERYTHING
    scope_value: str = ""
    mode: LimitMode = LimitMode.BLOCK

    @property
    def key(self) -> Key:
        """What a limit is of and what it does; neither can change without it being another limit."""
        return (self.measure.value, self.scope.value, self.scope_value, self.window.value, self.mode.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """A limit as it stands at some instant. `used` includes what a sliding window still counts of the one
    before; `remaining` is None when unlimited and never negative; `resets_at` None where nothing ends.
    `window_start` is when the window began that is counted now.
    """

    name: str
    source: str
    measure: str
    scope: str
    scope_value: str
    window: str
    mode: str
    amount: Decimal | None
    used: Decimal
    held: Decimal
    window_start: datetime
    resets_at: datetime | None

    @property
    def remaining(self) -> Decimal | None:
        """What is left to use or hold."""
        return None if self.amount is None else max(self.amount - self.used - self.held, ZERO)


class NearLimit(NamedTuple):
    """An account that has nearly used up a limit; `taken` is used and held."""

    account_id: int
    account_name: str
    limit: str
    taken: Decimal
    amount: Decimal
    percent: Decimal


def put(account: Account, *, source: LimitSource, limits: Sequence[LimitTerms], at: datetime) -> None:
    """Make `limits` the account's only ones of this `source`, at once: whoever asks sees the old or the new.

    A limit that stays (same measure, scope, window and mode) keeps what is used and held; a new one starts
    with what its running window has seen already. The same may be counted once for each mode: billed from
    one amount on, refused from another. Raises InvalidRequest naming the limit and what is wrong.
    """
    check(limits)
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute(LOCK_ACCOUNT, [account.pk])
        known = {key_of(row): row for row in UsageLimit.objects.filter(account=account, source=source)}
        wanted = {terms.key: terms for terms in limits}
        gone = [row.pk for key, row in known.items() if key not in wanted]
        UsageLimit.objects.filter(pk__in=gone).delete()
        changed = [_change(row, wanted[key]) for key, row in known.items() if key in wanted]
        new = [terms for key, terms in wanted.items() if key not in known]
        if new:
            added = _add(account, new, source=source, at=at)
            limit_counts.recount([row.pk for row in added], account_id=account.pk)
        if gone or new or any(changed):
            moves.mark([account.pk], at=at)
            moves.announce()


def key_of(limit: UsageLimit | LimitState) -> Key:
    """What the limit is of and what it does."""
    return (limit.measure, limit.scope, limit.scope_value, limit.window, limit.mode)


def states(account: Account, *, at: datetime) -> list[LimitState]:
    """The account's limits as they stand at `at`; reading changes none of them."""
    with connection.cursor() as cursor:
        cursor.execute(LIMITS_AT, {"account": account.pk, "at": at})
        return [LimitState(**dict(zip(LimitState.__slots__, row, strict=True))) for row in cursor.fetchall()]


def nearly_used_up(*, at: datetime, percent: int, at_most: int) -> list[NearLimit]:
    """The accounts whose blocking limits of the open billing period are used or held to `percent` or more,
    the fullest first, each by its fullest limit.
    """
    with connection.cursor() as cursor:
        cursor.execute(NEARLY_USED_UP, {"at": at, "percent": percent, "most": at_most})
        return [NearLimit(*row) for row in cursor.fetchall()]


def _change(row: UsageLimit, terms: LimitTerms) -> bool:
    """Let the row be as the terms say; whether it was not."""
    changed = [name for name in ("name", "amount") if getattr(row, name) != getattr(terms, name)]
    if changed:
        for name in changed:
            setattr(row, name, getattr(terms, name))
        row.save(update_fields=changed)
    return bool(changed)


def _add(
    account: Account, limits: Sequence[LimitTerms], *, source: LimitSource, at: datetime
) -> list[UsageLimit]:
    period = BillingPeriod.objects.get(pk=periods.ensure([account.pk], at=at)[account.pk])
    starts = _window_starts({terms.window for terms in limits}, at=at, period_start=period.period_start)
    return UsageLimit.objects.bulk_create(
        [
            UsageLimit(
                account=account,
                source=source,
                name=terms.name,
                measure=terms.measure,
                scope=terms.scope,
                scope_value=terms.scope_value,
                window=terms.window,
                mode=terms.mode,
                amount=terms.amount,
                window_start=starts[terms.window],
            )
            for terms in limits
        ]
    )


def _window_starts(
    windows: Collection[Window], *, at: datetime, period_start: datetime
) -> dict[Window, datetime]:
    """When the window of each kind began that runs at `at`; `at` itself where none begins."""
    with connection.cursor() as cursor:
        cursor.execute(WINDOW_STARTS, [at, period_start, at, [window.value for window in windows]])
        return {Window(name): start for name, start in cursor.fetchall()}


def check(limits: Sequence[LimitTerms]) -> None:
    """Return when an account can have these limits side by side; raises InvalidRequest as `put` does."""
    if len(limits) > MAX_LIMITS:
        raise InvalidRequest(f"At most {MAX_LIMITS} limits of one source, not {len(limits)}.")
    seen: set[Key] = set()
    for terms in limits:
        wrong = _wrong(terms)
        if not wrong and terms.key in seen:
            wrong = "another limit counts the same"
        if wrong:
            raise InvalidRequest(f"The limit {terms.name!r}: {wrong}.", details={"limit": terms.name})
        seen.add(terms.key)


def _wrong(terms: LimitTerms) -> str:
    """What is wrong with a limit, or nothing."""
    if not 0 < len(terms.name) <= MAX_NAME_LENGTH:
        return f"its name must have between 1 and {MAX_NAME_LENGTH} characters"
    if "\x00" in terms.name + terms.scope_value:
        return "its name and scope value cannot hold a NUL character"
    if terms.amount is not None and not (terms.amount.is_finite() and terms.amount >= 0):
        return "its amount must not be negative; None is unlimited, 0 is nothing at all"
    if terms.amount is not None and not _fits(terms.amount):
        return f"its amount takes {COST_MAX_DIGITS - COST_PLACES} digits and {COST_PLACES} decimals"
    if (terms.scope == LimitScope.EVERYTHING) != (terms.scope_value == ""):
        return "a scope other than everything names its value, and everything names none"
    if len(terms.scope_value) > MAX_VALUE_LENGTH:
        return f"its scope value may have {MAX_VALUE_LENGTH} characters"
    if (unknown := _unknown_scope(terms)) != "":
        return unknown
    if terms.window == Window.CONCURRENT and terms.measure != Measure.CALLS:
        return "what runs at the same time is counted in calls"
    return ""


def _unknown_scope(terms: LimitTerms) -> str:
    """What is wrong with a scope value that no call will ever be of, or nothing."""
    value = terms.scope_value
    if terms.scope == LimitScope.PROVIDER and value not in PROVIDERS:
        return f"the provider {value!r} is not metered here; known are {', '.join(PROVIDERS)}"
    if terms.scope == LimitScope.KIND and value not in KINDS:
        return f"{value!r} is no kind of provider; known are {', '.join(KINDS)}"
    if terms.scope == LimitScope.MODEL and value.partition("/")[0] not in PROVIDERS:
        return f"the model {value!r} must stand behind its provider, as in openai/gpt-4o"
    return ""


def _fits(amount: Decimal) -> bool:
    """Whether the table holds the finite `amount` exactly."""
    exponent = amount.normalize().as_tuple().exponent
    return int(exponent) >= -COST_PLACES and amount.adjusted() < COST_MAX_DIGITS - COST_PLACES
