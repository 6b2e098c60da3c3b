"""Providers that answer many of an account's calls with errors."""

from collections.abc import Iterator
from datetime import timedelta

from alerts import words
from alerts.core.findings import Finding, Recovery, Severity
from alerts.core.rules import PROVIDER_ERRORS, Rule
from alerts.rules.base import Standing
from usage import analytics
from usage.analytics import Dimension, Selection
from usage.providers import name_of
from usage.queries import Group, start_of

RULES = (PROVIDER_ERRORS,)
# Of so few calls a share says nothing.
LEAST_CALLS = 20
PERCENT = 20
HOUR = timedelta(hours=1)


def find(standing: Standing) -> Iterator[tuple[Rule, Finding]]:
    """The providers with PERCENT errors or more among the calls of this hour and the one before."""
    start = start_of(standing.at, interval="hour") - HOUR
    selection = Selection(account=standing.account, start=start, end=start + 2 * HOUR)
    for group in analytics.grouped(selection, by=Dimension.PROVIDER).groups:
        totals = group.totals
        if totals.calls >= LEAST_CALLS and 100 * totals.errors >= PERCENT * totals.calls:
            yield PROVIDER_ERRORS, _finding(group, standing)


def _finding(group: Group, standing: Standing) -> Finding:
    name, totals = name_of(group.key), group.totals
    share = words.percent(totals.error_rate)
    return Finding(
        subject=f"provider/{group.key}",
        # At most once a day, however often it comes and goes.
        occasion=f"{standing.at:%Y-%m-%d}",
        severity=Severity.WARNING,
        title=f"{share} of your calls to {name} fail",
        message=(
            f"{totals.errors:,} of {totals.calls:,} calls in the last two hours were answered with an error. "
            "The usage page shows which."
        ),
        provider=group.key,
        facts={"calls": f"{totals.calls:,}", "errors": f"{totals.errors:,}", "percent": share},
        path="/",
        recheck_at=start_of(standing.at, interval="hour") + 2 * HOUR,
        recovery=Recovery(
            title=f"Calls to {name} work again", message="Few of them were answered with an error lately."
        ),
    )
