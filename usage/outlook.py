"""What an account's next calendar month is expected to cost, and what its days show, from totals alone."""

from datetime import UTC, datetime, timedelta

from usage import projections
from usage.core.outlook import HISTORY_DAYS, Outlook, outlook
from usage.models import Account


def outlook_of(account: Account, *, at: datetime) -> Outlook:
    """The outlook at `at` on the calendar month after it; one statement.

    It rests on the UTC days before that of `at`, which are rolled up minutes after calls are recorded.
    """
    today = at.astimezone(UTC).date()
    start = today - timedelta(days=HISTORY_DAYS)
    costs = projections.daily_costs([account.pk], start=start, end=today)
    return outlook(costs.get(account.pk, []), today=today)
