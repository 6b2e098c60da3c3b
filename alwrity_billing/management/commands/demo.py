"""Make the demo accounts and their usage."""

import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from alwrity_billing import demo
from alwrity_billing.demo.traffic import DAYS
from usage.core.errors import BillingError
from usage.management.progress import progress_bar
from usage.models import APIProviderPricing


class Command(BaseCommand):
    help = "On an empty database: make demo accounts with 90 days of believable usage. Not in production."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.PRODUCTION and not demo.is_wanted(settings.DATA_DIR):
            self.stdout.write("The database is not empty: the demo was not made, nothing has changed.")
            return
        started = time.monotonic()
        try:
            made = self.create()
        except BillingError as refused:
            raise CommandError(refused.message) from refused
        seconds = time.monotonic() - started
        self.stdout.write(
            f"Demo: {made.accounts} accounts, {made.calls:,} calls over {made.days} days ({seconds:.1f} s)."
        )

    def create(self) -> demo.Creation:
        if not APIProviderPricing.objects.exists():
            call_command("load_prices", stdout=self.stdout)
        with progress_bar("calls") as progress:
            bar = progress.add_task("Making the demo", total=DAYS, done=0)
            return demo.create(
                data_dir=settings.DATA_DIR,
                at=timezone.now(),
                progress=lambda days, calls: progress.update(bar, completed=days, done=calls),
            )
