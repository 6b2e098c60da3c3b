"""Comparing the price lists that are installed with the book, every night."""

from datetime import datetime
from decimal import Decimal

from usage import price_lists, price_loading
from usage.models import PriceCheck

# So many prices are kept in words; the rest is counted.
MAX_KEPT = 50


def check(*, at: datetime, factor_limit: Decimal, load: bool) -> PriceCheck:
    """See what loading the price lists would do, or with `load` do it as `manage.py load_prices` does: add
    what is new, hold back what moves by more than `factor_limit`. Keeps what it came to.
    """
    entries = price_lists.every_entry()
    report = price_loading.load(entries, at=at, factor_limit=factor_limit, dry_run=not load)
    told = [f"added: {each}" for each in report.added] + [f"held back: {each}" for each in report.held]
    return PriceCheck.objects.create(
        checked_at=at,
        loaded=load,
        added=len(report.added),
        held=len(report.held),
        kept=len(report.kept),
        sentences=told[:MAX_KEPT],
    )
