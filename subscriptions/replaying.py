"""What an account's calls of the last four weeks would have cost otherwise: on another model, at batch
prices, with more of the input cached. Reads the log, as `usage.replays` adds it up; for background tasks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from subscriptions.core.recommendations import (
    WEEKS,
    WINDOW_DAYS,
    Confidence,
    a_month,
    confidence,
    is_worth_telling,
)
from subscriptions.models import RecommendationKind
from usage import alternatives, pricebook, queries, replays, surcharges
from usage.alternatives import Catalog, ModelClass
from usage.core.errors import PricingException
from usage.core.money import ZERO, format_amount
from usage.core.rating import Price
from usage.core.replaying import (
    CACHED,
    INPUT,
    CachedShare,
    Cell,
    Line,
    Replay,
    Terms,
    best_week,
    bucket_of,
    discounted,
    merged,
    unit_price,
)
from usage.core.repricing import sum_exactly, unpriced
from usage.core.surcharges import Surcharges, surcharge, terms_at
from usage.models import Account, LimitMode, LimitScope, Measure, Window
from usage.pricebook import PriceBook

# Providers cache prompts from 1,024 tokens on (developers.openai.com/api/docs/guides/prompt-caching,
# platform.claude.com/docs/en/build-with-claude/prompt-caching; some models need more).
LEAST_CACHED_INPUT = 1_024
# A week with fewer calls than that is no example of how much can be cached.
EXAMPLE_CALLS = 100
# What moved calls are sent as.
BATCH = "batch"
PERCENT_PLACES = Decimal("0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something cheaper: costs over [start, end), `saving` a month, in USD, unrounded."""

    kind: RecommendationKind
    subject: str
    alternative: str
    start: datetime
    end: datetime
    calls: int
    excluded_calls: int
    days: int
    now: Decimal
    then: Decimal
    saving: Decimal
    confidence: Confidence
    arithmetic: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """An account's calls, with what they are replayed on."""

    start: datetime
    end: datetime
    cells: Sequence[Cell]
    book: PriceBook
    rows: Mapping[int, Price]
    catalog: Catalog
    price_starts: Sequence[datetime]
    surcharges: Surcharges
    bounds: Sequence["_Bound"]

    def now(self, cell: Cell) -> Terms:
        """On what the cell's calls were rated."""
        return Terms(self.rows[cell.price_id or 0], cell.batch, cell.quantities)


@dataclass(frozen=True, slots=True)
class _Bound:
    """How many calls, or tokens, a period may have of a provider or a model (`provider/model`)."""

    measure: str
    scope_value: str
    amount: Decimal


def found(account: Account, *, at: datetime) -> list[Found]:
    """What would have made the account's calls of the 28 whole UTC days before `at` cheaper."""
    log = _read(account, at=at)
    if log is None:
        return []
    kept = [each for each in (*_models(log), *_batches(log), *_caches(log)) if each is not None]
    return sorted(kept, key=lambda each: -each.saving)


def _read(account: Account, *, at: datetime) -> _Log | None:
    end = queries.start_of(at, interval="day")
    start = end - timedelta(days=WINDOW_DAYS)
    kinds = replays.dearest_kinds(account.pk, start=start, end=end)
    if not kinds:
        return None
    book, catalog = pricebook.current_book(), alternatives.catalog()
    windows = [each.context_tokens for each in catalog.models.values()]
    cells = replays.cells(
        account.pk,
        kinds=kinds,
        request_types=catalog.batchable,
        grid=replays.grid(book, start=start, end=end, windows=windows),
        start=start,
        end=end,
    )
    return _Log(
        start=start,
        end=end,
        cells=list(cells),
        book=book,
        rows=book.by_id(),
        price_starts=sorted(book.starts_between(start, end)),
        catalog=catalog,
        surcharges=surcharges.of_account(account),
        bounds=_bounds(account),
    )


# --- Another model -------------------------------------------------------------------------------------


def _models(log: _Log) -> Iterator[Found | None]:
    for (provider, model), cells in _grouped(log.cells, lambda cell: (cell.provider, cell.model)):
        alike = log.catalog.of_class(provider, model, at=log.end.date())
        below = log.catalog.smaller(provider, model, at=log.end.date())
        yield _best_model(log, RecommendationKind.CHEAPER_MODEL, cells, alike)
        yield _best_model(log, RecommendationKind.SMALLER_MODEL, cells, below)


def _best_model(
    log: _Log, kind: RecommendationKind, cells: Sequence[Cell], targets: Sequence[ModelClass]
) -> Found | None:
    """The target on which these calls of one model would have cost least, if the account may call it."""
    # Which days they were on matters only of the one that is told.
    fewer = merged(cells, starts=log.price_starts)
    savings = [
        (_on_model(log, fewer, target).saving, target) for target in targets if _may_call(log, target, fewer)
    ]
    if not savings:
        return None
    _, target = max(savings, key=lambda each: each[0])
    replay = _on_model(log, cells, target)
    known = log.catalog.models[cells[0].provider, cells[0].model]
    facts = {"class_now": known.capability, "class_then": target.capability}
    return _found(log, kind, _name(cells[0]), replay, alternative="/".join(target.key), facts=facts)


def _on_model(log: _Log, cells: Iterable[Cell], target: ModelClass) -> Replay:
    """The calls at the target's price of the time of each; what it could not have served is left out."""
    replay = Replay(log.start)
    for cell in cells:
        try:
            price = log.book.find(*target.key, at=cell.begins)
        except PricingException:
            replay.exclude(cell, "no_price")
            continue
        then = Terms(price, cell.batch, cell.quantities)
        if cell.left_out:
            replay.exclude(cell, cell.left_out)
        elif cell.least_tokens > target.context_tokens:
            replay.exclude(cell, "too_long")
        elif cell.has_units or unpriced(cell.quantities, price, bucket=bucket_of(cell, then)):
            replay.exclude(cell, "units")
        else:
            replay.add(cell, log.now(cell), then)
    return replay


def _bounds(account: Account) -> list[_Bound]:
    limits = account.limits.filter(
        mode=LimitMode.BLOCK,
        window=Window.PERIOD,
        amount__isnull=False,
        scope__in=[LimitScope.PROVIDER, LimitScope.MODEL],
        measure__in=[Measure.CALLS, Measure.TOKENS],
    )
    rows = limits.values_list("measure", "scope_value", "amount")
    return [_Bound(measure, value, amount) for measure, value, amount in rows if amount is not None]


def _may_call(log: _Log, target: ModelClass, cells: Sequence[Cell]) -> bool:
    """Whether the account's limits have room for so many calls, and tokens, of another model's each period.
    Within one provider they count already, and only what the model itself may have is asked.
    """
    moves = target.provider != cells[0].provider
    names = {"/".join(target.key), target.provider} if moves else {"/".join(target.key)}
    sums = {
        Measure.CALLS: sum(cell.calls for cell in cells),
        Measure.TOKENS: sum(cell.quantities.input_tokens + cell.quantities.output_tokens for cell in cells),
    }
    asked = (bound for bound in log.bounds if bound.scope_value in names)
    return all(
        a_month(Decimal(sums[Measure(each.measure)]), days=WINDOW_DAYS) <= each.amount for each in asked
    )


# --- Batch prices --------------------------------------------------------------------------------------


def _batches(log: _Log) -> Iterator[Found | None]:
    waiting = [cell for cell in log.cells if cell.request_type and not cell.batch]
    for _, cells in _grouped(waiting, lambda cell: (cell.provider, cell.model, cell.request_type)):
        replay, sources = _in_batch(log, cells)
        subject = f"{_name(cells[0])}: {cells[0].request_type}"
        facts = {"request_type": cells[0].request_type, "sources": sorted(sources)}
        yield _found(log, RecommendationKind.BATCH, subject, replay, alternative=BATCH, facts=facts)


def _in_batch(log: _Log, cells: Iterable[Cell]) -> tuple[Replay, set[str]]:
    """The calls at the batch prices of the price that rated each, with what the account's terms add to batch
    calls; and where prices come from that the book does not have.
    """
    replay, sources = Replay(log.start), set[str]()
    for cell in cells:
        if cell.left_out:
            replay.exclude(cell, cell.left_out)
            continue
        now = log.now(cell)
        price = now.price
        if price.batch is None:
            discount = log.catalog.batch_discounts.get((price.provider, price.model))
            if discount is None or cell.begins.date() < discount.published_on:
                replay.exclude(cell, "no_batch_price")
                continue
            price = discounted(price, discount.percent_off)
            sources.add(discount.source)
        added = surcharge(terms_at(log.surcharges, BATCH, at=cell.begins), cell.quantities)
        replay.add(cell, now._replace(surcharge=cell.surcharge), Terms(price, True, cell.quantities, added))
    return replay, sources


# --- Caching -------------------------------------------------------------------------------------------


def _caches(log: _Log) -> Iterator[Found | None]:
    rated = [cell for cell in log.cells if not cell.left_out and not cell.batch]
    for _, of_model in _grouped(rated, lambda cell: (cell.provider, cell.model)):
        share = best_week(of_model, start=log.start, at_least_calls=EXAMPLE_CALLS)
        if share is None:
            continue
        for endpoint, cells in _grouped(of_model, lambda cell: cell.endpoint):
            tokens = sum(cell.quantities.input_tokens for cell in cells)
            if tokens >= LEAST_CACHED_INPUT * sum(cell.calls for cell in cells):
                subject = f"{_name(cells[0])} {endpoint}".rstrip()
                replay = _cached(log, cells, share)
                facts = _facts_of(share, cells, log) | {"endpoint": endpoint}
                yield _found(
                    log, RecommendationKind.CACHING, subject, replay, alternative="cached input", facts=facts
                )


def _cached(log: _Log, cells: Iterable[Cell], share: CachedShare) -> Replay:
    """The calls with at least `share` of their input cached, at the price that rated each."""
    replay = Replay(log.start)
    for cell in cells:
        now = log.now(cell)
        if unit_price(CACHED, cell, now) >= unit_price(INPUT, cell, now):
            replay.exclude(cell, "no_cache_price")
        else:
            replay.add(cell, now, now._replace(quantities=share.of(cell.quantities)))
    return replay


def _facts_of(share: CachedShare, cells: Sequence[Cell], log: _Log) -> dict[str, Any]:
    total = sum(cell.quantities.input_tokens for cell in cells)
    cached = sum(cell.quantities.cached_input_tokens for cell in cells)
    return {
        "cached_percent_now": _percent(cached, total),
        "cached_percent_then": _percent(share.cached, share.input_tokens),
        "example_week": (log.start + timedelta(days=7 * share.week)).date().isoformat(),
    }


def _percent(part: int, whole: int) -> str:
    return format_amount((Decimal(100 * part) / whole).quantize(PERCENT_PLACES))


# --- What is found -------------------------------------------------------------------------------------


def _found(
    log: _Log,
    kind: RecommendationKind,
    subject: str,
    replay: Replay,
    *,
    alternative: str,
    facts: Mapping[str, Any],
) -> Found | None:
    """The replay as something to tell; None where it saves too little."""
    saving = a_month(replay.saving, days=WINDOW_DAYS)
    if not is_worth_telling(a_month=saving, saving=replay.saving, now=replay.now):
        return None
    weeks = [replay.weeks.get(number) for number in range(WEEKS)]
    savings = [ZERO if week is None else sum_exactly([week.now, week.then.copy_negate()]) for week in weeks]
    return Found(
        kind=kind,
        subject=subject,
        alternative=alternative,
        start=log.start,
        end=log.end,
        calls=replay.calls,
        excluded_calls=sum(replay.excluded.values()),
        days=len(replay.days),
        now=replay.now,
        then=replay.then,
        saving=saving,
        confidence=confidence(calls=replay.calls, days=len(replay.days), weekly_savings=savings),
        arithmetic={
            "lines": [_line(line) for line in replay.lines],
            "excluded": dict(sorted(replay.excluded.items())),
            "weeks": [format_amount(each) for each in savings],
            "facts": dict(facts),
        },
    )


def _line(line: Line) -> dict[str, str]:
    numbers = ("quantity_now", "price_now", "cost_now", "quantity_then", "price_then", "cost_then")
    return {"name": line.name} | {name: format_amount(getattr(line, name)) for name in numbers}


def _name(cell: Cell) -> str:
    return f"{cell.provider}/{cell.model}"


def _grouped(cells: Iterable[Cell], key: Callable[[Cell], Any]) -> list[tuple[Any, list[Cell]]]:
    groups: dict[Any, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return list(groups.items())
