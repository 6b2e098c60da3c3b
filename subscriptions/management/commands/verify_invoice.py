"""Prove invoices from the log, the plans and the prices."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from subscriptions.models import BillingHistory
from subscriptions.verification import verify

MAX_SHOWN = 50


class Command(BaseCommand):
    help = (
        "Rebuild every line of an invoice from the usage log, the plan and the prices in force, and report "
        "each difference, for usage event by event; exits with 1 when there is one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("numbers", nargs="*", metavar="NUMBER", help="such as 2026-000042")
        parser.add_argument("--all", action="store_true", help="every invoice that has a number")

    def handle(self, *args: Any, numbers: list[str], all: bool, **options: Any) -> None:
        if bool(numbers) == all:
            raise CommandError("Give the numbers of invoices, or --all.")
        checked = wrong = 0
        for invoice in _chosen(numbers, all):
            checked += 1
            wrong += self._report(invoice)
        if wrong:
            raise CommandError(f"{wrong} of {checked} invoices could not be proved.")
        self.stdout.write(self.style.SUCCESS(f"{checked} proved to the last digit."))

    def _report(self, invoice: BillingHistory) -> bool:
        findings = verify(invoice)
        shown = list(islice(findings, MAX_SHOWN))
        for finding in shown:
            self.stdout.write(self.style.WARNING(f"{invoice.number} {finding}"))
        more = sum(1 for _ in findings)
        if more:
            self.stdout.write(f"{invoice.number} … and {more} more")
        return bool(shown)


def _chosen(numbers: list[str], all_of_them: bool) -> Iterable[BillingHistory]:
    invoices: QuerySet[BillingHistory] = BillingHistory.objects.select_related("account", "billing_period")
    if all_of_them:
        return invoices.filter(number__isnull=False).order_by("pk").iterator(chunk_size=200)
    found = {invoice.number: invoice for invoice in invoices.filter(number__in=numbers)}
    for number in numbers:
        if number not in found:
            raise CommandError(f"There is no invoice {number!r}.")
    return [found[number] for number in numbers]
