"""Does Stripe say of every invoice and charge what we say?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from subscriptions.stripe import reconcile
from subscriptions.stripe.errors import StripeError


class Command(BaseCommand):
    help = (
        "Compare every invoice and charge with Stripe, and print what differs. Exit code 1: something does."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="push and take over again what differs")

    def handle(self, *args: Any, repair: bool, **options: Any) -> None:
        at = timezone.now()
        count = 0
        try:
            for found in reconcile.differences(at=at):
                self.stdout.write(found.says)
                count += 1
                if repair:
                    reconcile.repair(found, at=at)
        except StripeError as failed:
            raise CommandError(failed.message) from failed
        if count and repair:
            raise CommandError(f"{count} differ; they are being pushed again: run this again in a while.")
        if count:
            raise CommandError(f"{count} differ: --repair pushes and takes over again.")
        self.stdout.write("Stripe and we say the same.")
