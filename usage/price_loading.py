"""Bringing the price book up to the price lists: what is added, what is held back, what staff keep."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from django.db import transaction

from usage.core.money import format_amount
from usage.core.price_moves import largest_move
from usage.models import APIProviderPricing, HeldPrice, PriceSource
from usage.models.prices import PriceColumns
from usage.price_lists import PriceEntry
from usage.pricebook import RATE_COLUMNS, TOKEN_COLUMNS, UNIT_COLUMNS, lock_for_writing, price_of


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did, or with `dry_run` would do: one sentence a price."""

    added: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def load(
    entries: Iterable[PriceEntry], *, at: datetime, factor_limit: Decimal, dry_run: bool = False
) -> LoadReport:
    """Bring the book up to `entries`; running it again adds nothing.

    A model new to the book gets its whole history. For a known model every date the book lacks is added, and
    where the price in force at `at` differs from the list's, a row from `at` on: the past is never rewritten.
    A model whose price in force was set by staff keeps it. A price that moves by more than `factor_limit`
    from the one before it is held back for a staff member instead.
    """
    in_order = sorted(entries, key=lambda entry: (entry.provider, entry.model_name, entry.effective_from))
    report = LoadReport()
    with transaction.atomic():
        lock_for_writing()
        rows = _rows_by_model()
        for model, dated in groupby(in_order, key=lambda entry: (entry.provider, entry.model_name)):
            history = _History(rows.get(model, []), at=at, factor_limit=factor_limit, report=report)
            history.take(list(dated))
        if dry_run:
            transaction.set_rollback(True)
    return report


class _History:
    """One model's rows in the book, oldest first, while a load adds to them."""

    def __init__(
        self, rows: list[APIProviderPricing], *, at: datetime, factor_limit: Decimal, report: LoadReport
    ) -> None:
        self.rows = rows
        self.known = bool(rows)
        self.at = at
        self.factor_limit = factor_limit
        self.report = report

    def take(self, entries: list[PriceEntry]) -> None:
        """Add what `entries`, the model's price list from the oldest on, has and the book has not."""
        in_force = self._in_force(self.at)
        if in_force is not None and in_force.source == PriceSource.STAFF:
            self.report.kept.append(f"{in_force} was set by staff")
            return
        dates = {row.effective_from for row in self.rows}
        for entry in entries:
            if entry.effective_from in dates:
                self.report.unchanged.append(f"{entry.provider}/{entry.model_name}")
            else:
                self._add_or_hold(_row_of(entry, at=self.at))
        if self.known:
            self._correct_price_in_force([entry for entry in entries if entry.effective_from <= self.at])

    def _correct_price_in_force(self, started: list[PriceEntry]) -> None:
        in_force = self._in_force(self.at)
        if not started or in_force is None:
            return
        listed = _row_of(started[-1], at=self.at)
        if not _same_rates(listed, in_force):
            listed.effective_from = self.at
            self._add_or_hold(listed)

    def _add_or_hold(self, row: APIProviderPricing) -> None:
        before = self._in_force(row.effective_from)
        if self.known and before is not None:
            name, factor = largest_move(price_of(before), price_of(row))
            if factor > self.factor_limit:
                self._hold(row, reason=f"{name} moves by a factor of {_spell(factor)} against {before}")
                return
        row.save(force_insert=True)
        self.rows.append(row)
        self.rows.sort(key=lambda each: each.effective_from)
        self.report.added.append(f"{row}: {_spell_rates(row)}")

    def _hold(self, row: APIProviderPricing, *, reason: str) -> None:
        """Keep `row` for a staff member, unless the same price waits already or was decided about."""
        _, is_new = HeldPrice.objects.get_or_create(
            provider=row.provider,
            model_name=row.model_name,
            source_hash=row.source_hash,
            defaults={
                "effective_from": row.effective_from,
                "description": row.description,
                "source": row.source,
                "source_version": row.source_version,
                "created_at": row.created_at,
                "reason": reason,
                **{column: getattr(row, column) for column in RATE_COLUMNS},
            },
        )
        (self.report.held if is_new else self.report.unchanged).append(f"{row}: {reason}")

    def _in_force(self, at: datetime) -> APIProviderPricing | None:
        started = [row for row in self.rows if row.effective_from <= at]
        return started[-1] if started else None


def _rows_by_model() -> dict[tuple[str, str], list[APIProviderPricing]]:
    rows = APIProviderPricing.objects.order_by("provider", "model_name", "effective_from")
    return {
        model: list(dated) for model, dated in groupby(rows, key=lambda row: (row.provider, row.model_name))
    }


def _row_of(entry: PriceEntry, *, at: datetime) -> APIProviderPricing:
    return APIProviderPricing(
        provider=entry.provider,
        model_name=entry.model_name,
        effective_from=entry.effective_from,
        tiers=entry.tiers,
        batch=entry.batch,
        description=entry.description,
        source=entry.source,
        source_version=entry.source_version,
        source_hash=entry.content_hash,
        created_at=at,
        **dict(zip(TOKEN_COLUMNS.values(), entry.tokens, strict=True)),
        **dict(zip(UNIT_COLUMNS.values(), entry.units, strict=True)),
    )


def _same_rates(one: PriceColumns, other: PriceColumns) -> bool:
    return all(getattr(one, column) == getattr(other, column) for column in RATE_COLUMNS)


def _spell(factor: Decimal) -> str:
    return format_amount(factor.quantize(Decimal("0.01"))) if factor.is_finite() else "infinity"


def _spell_rates(row: PriceColumns) -> str:
    stated = [
        f"{name} {format_amount(getattr(row, column))}"
        for name, column in {**TOKEN_COLUMNS, **UNIT_COLUMNS}.items()
        if getattr(row, column) is not None
    ]
    return ", ".join(stated) + (f", {len(row.tiers)} tiers" if row.tiers else "")
