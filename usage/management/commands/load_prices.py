"""Bring the price book up to the pinned price lists."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from usage import price_lists, price_loading


class Command(BaseCommand):
    help = (
        "Import every dated price and tier of the providers we meter. Running it again adds nothing; "
        "a price that moved too far waits for a staff member in the admin."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="show what would change, change nothing")

    def handle(self, *args: Any, dry_run: bool, verbosity: int, **options: Any) -> None:
        report = price_loading.load(
            price_lists.every_entry(),
            at=timezone.now(),
            factor_limit=settings.PRICE_CHANGE_FACTOR_LIMIT,
            dry_run=dry_run,
        )
        if verbosity > 1 or dry_run:
            for sentence in report.added:
                self.stdout.write(f"+ {sentence}")
        for sentence in report.held:
            self.stdout.write(self.style.WARNING(f"held back: {sentence}"))
        for sentence in report.kept:
            self.stdout.write(f"kept: {sentence}")
        verb = "would be added" if dry_run else "added"
        self.stdout.write(
            f"Prices: {len(report.added)} {verb}, {len(report.unchanged)} unchanged, "
            f"{len(report.held)} held back, {len(report.kept)} kept as staff set them."
        )
