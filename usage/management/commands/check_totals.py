"""Compare summaries and rollups with the log."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date

from usage import drift
from usage.models import Account

DEFAULT_DAYS = 31
MAX_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Recompute summaries and rollups from the usage log and report every difference; "
        "exits with 1 when there is one that was not repaired."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from", dest="start", type=day, help="first day, YYYY-MM-DD (default: 31 days ago)"
        )
        parser.add_argument("--to", dest="end", type=day, help="day after the last one (default: tomorrow)")
        parser.add_argument("--account", help="only this account, by its external id")
        parser.add_argument("--repair", action="store_true", help="set what differs to what the log says")

    def handle(
        self,
        *args: Any,
        start: datetime | None,
        end: datetime | None,
        account: str | None,
        repair: bool,
        **options: Any,
    ) -> None:
        today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
        end = end or today + timedelta(days=1)
        start = start or end - timedelta(days=DEFAULT_DAYS)
        if start >= end:
            raise CommandError("--from must be a day before --to.")
        found = drift.check(start=start, end=end, account_id=account_id_of(account))
        for each in found[:MAX_SHOWN]:
            self.stdout.write(self.style.WARNING(str(each)))
        if len(found) > MAX_SHOWN:
            self.stdout.write(f"… and {len(found) - MAX_SHOWN} more")
        if not found:
            self.stdout.write(f"Totals equal the log from {start:%Y-%m-%d} to {end:%Y-%m-%d}.")
        elif repair:
            drift.repair(found, start=start, end=end)
            self.stdout.write(f"{len(found)} differences repaired.")
        else:
            raise CommandError(f"{len(found)} differences; --repair sets them to what the log says.")


def day(text: str) -> datetime:
    """The start of the day `text` names, in UTC; raises ValueError for anything but YYYY-MM-DD."""
    parsed = parse_date(text)
    if parsed is None:
        raise ValueError(text)
    return datetime(parsed.year, parsed.month, parsed.day, tzinfo=UTC)


def account_id_of(external_id: str | None) -> int | None:
    if external_id is None:
        return None
    try:
        return Account.objects.get(external_id=external_id).pk
    except Account.DoesNotExist:
        raise CommandError(f"There is no account {external_id!r}.") from None
