"""Make the plans of a catalog, or bring them up to it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from subscriptions import catalog_file, catalog_loading
from subscriptions.facts import Difference
from usage.core.errors import BillingError


class Command(BaseCommand):
    help = (
        "Make the plans of a catalog. Running it again changes nothing; a plan that nobody edited follows "
        "the file with a new version, one that staff edited is kept, and how it differs is shown."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        known = ", ".join(catalog_file.names())
        parser.add_argument("name", help=f"one of {known}, or the path of a .toml file of the same form")
        parser.add_argument("--dry-run", action="store_true", help="show what would change, change nothing")

    def handle(self, *args: Any, name: str, dry_run: bool, **options: Any) -> None:
        try:
            catalog = catalog_file.read(name)
            report = catalog_loading.load(catalog, at=timezone.now(), dry_run=dry_run)
        except BillingError as wrong:
            raise CommandError(wrong.message) from wrong
        would = "would be " if dry_run else ""
        for key in report.added:
            self.stdout.write(self.style.SUCCESS(f"+ {key}: {would}added"))
        for key, differences in report.changed.items():
            self.stdout.write(self.style.SUCCESS(f"~ {key}: a new version {would}published"))
            self._show(differences)
        for key, differences in report.kept.items():
            self.stdout.write(self.style.WARNING(f"= {key}: kept as staff edited it; the catalog says"))
            self._show(differences)
        self.stdout.write(
            f"Catalog {catalog.name}: {len(report.added)} {would}added, {len(report.changed)} {would}"
            f"changed, {len(report.unchanged)} unchanged, {len(report.kept)} kept."
        )

    def _show(self, differences: list[Difference]) -> None:
        for difference in differences:
            self.stdout.write(f"    {difference}")
