"""The price book: finding the price of a call, and every way a price enters the book.

Writers take one advisory lock, so that row ids become visible in ascending order and the highest id names a
state of the book. Readers keep the book in memory and reload it when that id has moved.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import DataError, IntegrityError, connection, transaction

from usage.core.errors import InvalidRequest, PricingException
from usage.core.rating import (
    Price,
    Rates,
    TokenPrices,
    UnitPrices,
    rates_from_json,
    tiers_from_json,
)
from usage.core.repricing import thresholds
from usage.models import APIProviderPricing, HeldPrice, PriceSource
from usage.models.prices import PriceColumns
from usage.price_lists import canonical_names
from usage.providers import PROVIDERS

# Prices every model of its provider that has no row of its own.
ANY_MODEL = "*"
# Any number, only it must be this table's alone: the lock of those who add prices.
WRITERS_LOCK = 0x_70_72_69_63_65
MAX_REMEMBERED_NAMES = 50_000

TOKEN_COLUMNS = {name: f"cost_per_{name}_token" for name in TokenPrices._fields}
UNIT_COLUMNS = {name: f"cost_per_{name}" for name in UnitPrices._fields}
RATE_COLUMNS = (*TOKEN_COLUMNS.values(), *UNIT_COLUMNS.values(), "tiers", "batch")


# --- Reading ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Every price ever in force, as of row `version`. Immutable but for what it remembers of names."""

    version: int
    _starts: dict[tuple[str, str], list[datetime]]
    _prices: dict[tuple[str, str], list[Price]]
    _remembered: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def find(self, provider: str, model: str, *, at: datetime) -> Price:
        """The price of `provider`'s (our key) `model` (as sent) in force at `at`.

        Raises PricingException (`price_unknown`) when the book has none and no default for the provider.
        """
        name = self._name_in_book(provider, model)
        if name is not None:
            key = (provider, name)
            position = bisect_right(self._starts[key], at)
            if position:
                return self._prices[key][position - 1]
        raise PricingException(
            f"{provider} has no price for the model {model!r}: check its name, or have staff add a price.",
            details={"provider": provider, "model": model},
        )

    def name_of(self, provider: str, model: str) -> str:
        """The book's own name of `model` (as sent), or the name as sent when no row is its own."""
        name = self._name_in_book(provider, model)
        return model if name is None or name == ANY_MODEL else name

    def knows(self, provider: str, model: str) -> bool:
        """Whether some row is this very model's."""
        return self._name_in_book(provider, model) not in (None, ANY_MODEL)

    def by_id(self) -> dict[int, Price]:
        """Every price, by its row."""
        return {price.id: price for prices in self._prices.values() for price in prices}

    def starts_between(self, start: datetime, end: datetime) -> set[datetime]:
        """The instants in [start, end) from which on some price holds."""
        return {each for starts in self._starts.values() for each in starts if start <= each < end}

    def thresholds(self) -> set[int]:
        """The numbers of input tokens above which calls of some model pay the prices of another tier."""
        return {
            above
            for prices in self._prices.values()
            for price in prices
            for batch in (False, True)
            for above in thresholds(price, batch=batch)
        }

    def _name_in_book(self, provider: str, model: str) -> str | None:
        sent = (provider, model)
        try:
            return self._remembered[sent]
        except KeyError:
            names = (*canonical_names(PROVIDERS[provider], model), ANY_MODEL)
            name = next((name for name in names if (provider, name) in self._starts), None)
            if len(self._remembered) >= MAX_REMEMBERED_NAMES:
                self._remembered.clear()
            self._remembered[sent] = name
            return name


_book = PriceBook(-1, {}, {})


def book_at(version: int) -> PriceBook:
    """The book as of the row with id `version`, which a transaction of the caller's has just read."""
    global _book
    if _book.version != version:
        _book = _load()
    return _book


def remembered_book() -> PriceBook:
    """The book as this process last saw it, without asking; for those who learn from the database whether it
    has changed.
    """
    return _book


def current_book() -> PriceBook:
    """The book as it stands now: one query, more only when it has changed."""
    latest = APIProviderPricing.objects.order_by("-id").values_list("id", flat=True).first()
    return book_at(latest or 0)


def price_of(row: PriceColumns) -> Price:
    """The row as a price to rate with; raises ValueError when its tiers or batch rates are malformed."""
    tokens = TokenPrices(*(getattr(row, column) for column in TOKEN_COLUMNS.values()))
    units = UnitPrices(*(getattr(row, column) for column in UNIT_COLUMNS.values()))
    return Price(
        id=row.pk or 0,
        provider=row.provider,
        model=row.model_name,
        standard=Rates(tokens, tiers_from_json(row.tiers), units),
        batch=None if row.batch is None else rates_from_json(row.batch),
        source=row.source,
    )


def _load() -> PriceBook:
    starts: dict[tuple[str, str], list[datetime]] = {}
    prices: dict[tuple[str, str], list[Price]] = {}
    version = 0
    for row in APIProviderPricing.objects.order_by("effective_from"):
        key = (row.provider, row.model_name)
        starts.setdefault(key, []).append(row.effective_from)
        prices.setdefault(key, []).append(price_of(row))
        version = max(version, row.pk)
    return PriceBook(version, starts, prices)


# --- Writing ------------------------------------------------------------------------------------------


def add(*, by: User | None, at: datetime, **columns: Any) -> APIProviderPricing:
    """Add a staff member's price; `columns` are the table's. Raises InvalidRequest naming what is wrong."""
    row = APIProviderPricing(source=PriceSource.STAFF, created_by=by, created_at=at, **columns)
    try:
        price_of(row)
    except ValueError as wrong:
        raise InvalidRequest(f"The tiers or batch rates cannot be read: {wrong}.") from wrong
    with transaction.atomic():
        lock_for_writing()
        _insert(row)
    return row


def confirm(held: HeldPrice, *, by: User, at: datetime) -> APIProviderPricing:
    """Put a held price into the book, in force from `at` (or from its own later date).

    Raises InvalidRequest when somebody has decided about it already, or the model has a price from that very
    instant on; the held price then stays as it was.
    """
    with transaction.atomic():
        lock_for_writing()
        _decide(held, HeldPrice.State.CONFIRMED, by=by, at=at)
        row = APIProviderPricing(
            provider=held.provider,
            model_name=held.model_name,
            effective_from=max(held.effective_from, at),
            description=held.description,
            source=held.source,
            source_version=held.source_version,
            source_hash=held.source_hash,
            created_by=by,
            created_at=at,
            **{column: getattr(held, column) for column in RATE_COLUMNS},
        )
        _insert(row)
    return row


def discard(held: HeldPrice, *, by: User, at: datetime) -> None:
    """Refuse a held price for good; raises InvalidRequest when somebody has decided about it already."""
    _decide(held, HeldPrice.State.DISCARDED, by=by, at=at)


def lock_for_writing() -> None:
    """Make this transaction the only one adding prices until it ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITERS_LOCK])


def _insert(row: APIProviderPricing) -> None:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except (IntegrityError, DataError) as refused:
        raise InvalidRequest(
            "A price needs at least one unit price, none negative or from 10,000 USD a unit, and an "
            "effective_from that this model does not have yet."
        ) from refused


def _decide(held: HeldPrice, state: HeldPrice.State, *, by: User, at: datetime) -> None:
    waiting = HeldPrice.objects.filter(pk=held.pk, state=HeldPrice.State.WAITING)
    if not waiting.update(state=state, decided_by=by, decided_at=at):
        raise InvalidRequest("This price has been decided about already.")
    held.refresh_from_db()
