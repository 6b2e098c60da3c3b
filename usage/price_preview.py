"""What the month before would have cost at a price that is not in the book: read, never written.

The log is read once, in one statement over its month: quantities are added up per account and bucket (calls
that pay the same price per token, see `usage.core.repricing`), and the sums are rated. What comes back is one
row per account, bucket and reason for leaving calls out, however many calls there were. The hourly rollups
cannot serve here: they add up calls that were rated together with calls whose cost was reported. What an
account's surcharges added has nothing to do with the price, and is left out on both sides.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from heapq import nlargest
from itertools import zip_longest
from typing import Any, NamedTuple

from django.db import connection

from usage.core.calendar import month_of
from usage.core.money import ZERO
from usage.core.price_changes import percent_of_change
from usage.core.rating import BATCH_REQUEST_TYPES, Price, Quantities
from usage.core.repricing import Bucket, rate_together, sum_exactly, thresholds, together, unpriced
from usage.models import Account, APIProviderPricing
from usage.pricebook import ANY_MODEL

TOP_ACCOUNTS = 10
# The log counts input tokens in 31 bits: no call exceeds a threshold beyond.
MOST_INPUT_TOKENS = 2**31 - 1
NOTHING = Quantities()


class LeftOut(StrEnum):
    """Why a price from the book has no say in what a call cost."""

    OWN_KEY = "own key"
    REPORTED = "cost reported"
    NOTHING_STATED = "failed"
    NO_PRICE = "no price"
    OTHER_MODEL = "other model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the same calls cost as rated and at the draft price: USD, unrounded."""

    calls: int = 0
    before: Decimal = ZERO
    after: Decimal = ZERO

    @property
    def usd(self) -> Decimal:
        return sum_exactly([self.after, self.before.copy_negate()])

    @property
    def percent(self) -> Decimal | None:
        """Of what was rated; None where that was nothing."""
        return percent_of_change(self.before, self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDifference:
    """One account's part in the difference."""

    account: Account
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Untouched:
    """Calls of the model that were not rated again, why, and what they cost then as now."""

    reason: LeftOut
    calls: int
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The calendar month [start, end) of a provider's model at a draft price, over all accounts.

    `quantities` are those of the calls rated again. `accounts` are the ten whose cost moves most, up or down
    alike, without those whose cost stays. `unpriced` names what the calls consumed and the draft has no rate
    for.
    """

    provider: str
    model: str
    start: datetime
    end: datetime
    total: Difference
    quantities: Quantities
    accounts: list[AccountDifference]
    untouched: list[Untouched]
    unpriced: list[str]


def preview(draft: Price, *, at: datetime) -> Preview:
    """The last full calendar month (UTC, by `occurred_at`) before `at`, rated again at `draft`.

    The draft is taken as if it had held all month, whatever its own date. Its `model` is the book's name,
    under which the log lists calls; "*" stands for the provider's models that have no row of their own.
    A call is rated again when a row of that model (or of "*") rated it: not when its cost was reported, when
    the customer's own provider key paid, when it failed and stated nothing, or when another model answered.
    """
    start, end = month_of(month_of(at)[0] - timedelta(days=1))
    sums = _Sums(draft)
    for group in _groups(draft, start=start, end=end):
        sums.add(group)
    return Preview(
        provider=draft.provider,
        model=draft.model,
        start=start,
        end=end,
        total=sums.total(),
        quantities=sums.quantities,
        accounts=_most_affected(sums.by_account),
        untouched=[
            Untouched(reason=reason, calls=calls, cost=cost)
            for reason in LeftOut
            for calls, cost in [sums.untouched.get(reason, (0, ZERO))]
            if calls
        ],
        unpriced=sorted(sums.unpriced),
    )


class _Group(NamedTuple):
    """Calls of one account in one bucket, rated again unless `left_out` says why not."""

    account_id: int
    left_out: LeftOut | None
    bucket: Bucket
    calls: int
    cost: Decimal
    quantities: Quantities


@dataclass(slots=True)
class _Sums:
    """What the groups add up to."""

    draft: Price
    by_account: dict[int, Difference] = field(default_factory=dict)
    untouched: dict[LeftOut, tuple[int, Decimal]] = field(default_factory=dict)
    unpriced: set[str] = field(default_factory=set)
    quantities: Quantities = NOTHING

    def add(self, group: _Group) -> None:
        if group.left_out is not None:
            calls, cost = self.untouched.get(group.left_out, (0, ZERO))
            self.untouched[group.left_out] = (calls + group.calls, sum_exactly([cost, group.cost]))
            return
        so_far = self.by_account.get(group.account_id, Difference())
        after = rate_together(group.quantities, self.draft, bucket=group.bucket)
        self.by_account[group.account_id] = Difference(
            calls=so_far.calls + group.calls,
            before=sum_exactly([so_far.before, group.cost]),
            after=sum_exactly([so_far.after, after]),
        )
        self.quantities = together(self.quantities, group.quantities)
        self.unpriced.update(unpriced(group.quantities, self.draft, bucket=group.bucket))

    def total(self) -> Difference:
        differences = self.by_account.values()
        return Difference(
            calls=sum(each.calls for each in differences),
            before=sum_exactly(each.before for each in differences),
            after=sum_exactly(each.after for each in differences),
        )


# Rows are grouped by conditions only, from which the reason and the tier are told afterwards: the planner
# takes a condition for two groups, and so adds up in memory instead of sorting the month on disk first (of
# anything computed from the token counts it would expect one group per count). A call's price is known by
# the ids of the model's rows: the log names the model asked for, whichever model answered and set the price.
CONDITIONS = {
    "own_key": "list_cost IS NOT NULL",
    "rated": "price_id IS NOT NULL AND price_id = ANY(%(rows)s::bigint[])",
    "unpriced": "price_id IS NULL",
    "reported": "price_id IS NULL AND cost_source <> 'local'",
    "failed": "price_id IS NULL AND status_code >= 400",
}
IS_BATCH = "(%(has_batch)s AND request_type = ANY(%(batch_types)s))"
EXCEEDS = (
    f"COALESCE(input_tokens, 0) > CASE WHEN {IS_BATCH} THEN %(batch_above_{{0}})s::bigint "
    "ELSE %(above_{0})s::bigint END"
)
SUMS = ", ".join(f"COALESCE(sum({name}), 0)" for name in Quantities._fields)
GROUPS = """
SELECT account_id, {conditions}, count(*), sum(cost - COALESCE(surcharge, 0)), {sums}
FROM api_usage_logs
WHERE occurred_at >= %(start)s AND occurred_at < %(end)s AND provider = %(provider)s
  AND CASE WHEN %(any_model)s THEN model <> ALL(%(named)s::text[]) ELSE model = %(model)s END
GROUP BY account_id, {places}
"""


def _groups(draft: Price, *, start: datetime, end: datetime) -> Iterator[_Group]:
    # A threshold that only the other rates have is NULL, which no call exceeds.
    pairs = list(zip_longest(thresholds(draft, batch=False), thresholds(draft, batch=True)))
    conditions = [*CONDITIONS.values(), IS_BATCH, *(EXCEEDS.format(place) for place in range(len(pairs)))]
    statement = GROUPS.format(
        conditions=", ".join(conditions),
        sums=SUMS,
        places=", ".join(str(place) for place in range(2, 2 + len(conditions))),
    )
    parameters = _parameters(draft) | {"start": start, "end": end}
    for place, (above, batch_above) in enumerate(pairs):
        parameters |= {f"above_{place}": _least(above), f"batch_above_{place}": _least(batch_above)}
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        for account_id, *values in cursor:
            met, (calls, cost, *quantities) = values[: len(conditions)], values[len(conditions) :]
            left_out = _left_out(**dict(zip(CONDITIONS, met, strict=False)))
            batch, *exceeded = met[len(CONDITIONS) :]
            bucket = Bucket(batch, sum(map(bool, exceeded)))
            yield _Group(account_id, left_out, bucket, calls, cost, Quantities(*quantities))


def _parameters(draft: Price) -> dict[str, Any]:
    rows = APIProviderPricing.objects.filter(provider=draft.provider).order_by()
    names = rows.exclude(model_name=ANY_MODEL).values_list("model_name", flat=True).distinct()
    any_model = draft.model == ANY_MODEL
    return {
        "provider": draft.provider,
        "model": draft.model,
        "any_model": any_model,
        "named": list(names) if any_model else [],
        "rows": list(rows.filter(model_name__in=[draft.model, ANY_MODEL]).values_list("pk", flat=True)),
        "has_batch": draft.batch is not None,
        "batch_types": sorted(BATCH_REQUEST_TYPES),
    }


def _least(above: int | None) -> int | None:
    """A threshold as the database can hold it: beyond what the log can count all are the same."""
    return None if above is None else min(above, MOST_INPUT_TOKENS)


def _left_out(*, own_key: bool, rated: bool, unpriced: bool, reported: bool, failed: bool) -> LeftOut | None:
    """Why calls that meet these conditions are not rated again; None where they are."""
    if own_key:
        return LeftOut.OWN_KEY
    if rated:
        return None
    if not unpriced:
        return LeftOut.OTHER_MODEL
    if reported:
        return LeftOut.REPORTED
    return LeftOut.NOTHING_STATED if failed else LeftOut.NO_PRICE


def _most_affected(by_account: dict[int, Difference]) -> list[AccountDifference]:
    moved = [(each.usd.copy_abs(), -account_id) for account_id, each in by_account.items() if each.usd]
    chosen = [-negated for _, negated in nlargest(TOP_ACCOUNTS, moved)]
    accounts = Account.objects.in_bulk(chosen)
    return [
        AccountDifference(account=accounts[account_id], difference=by_account[account_id])
        for account_id in chosen
    ]
