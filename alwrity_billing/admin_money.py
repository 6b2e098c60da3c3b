"""The figures about money on the admin's first page, each leading to the list of what it counts."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.html import format_html

from alwrity_billing.dashboard.figures import billed, usd
from subscriptions import business
from usage import queries
from usage.admin.operations import Panel
from usage.core.money import ZERO

Figure = Mapping[str, str]

LOWEST_MARGINS = 10
LINK = '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>'


def margin(*, recurring: Decimal, spent: Decimal, days: int, at: datetime) -> Figure:
    """What was invoiced in the last full month less what usage cost in it; where nothing was invoiced yet,
    recurring revenue less what was `spent` in the last days.
    """
    end = queries.start_of(at, interval="month")
    start = queries.earlier_start(end, by=1, interval="month")
    invoiced = business.invoiced_between(start=start, end=end)
    if invoiced is None:
        about = f"Recurring revenue less the usage cost of {days} days; nothing was invoiced last month."
        return _margin("Margin", recurring, spent, about)
    cost = sum((cost for _, cost in queries.cost_by_day(start=start, end=end)), ZERO)
    about = f"{usd(invoiced)} invoiced, overage included, less {usd(cost)} of usage."
    return _margin(f"Margin, {start:%B}", invoiced, cost, about)


def lowest_margins(*, at: datetime) -> Panel:
    """Whom serving costs most beside what they were invoiced in the last full month."""
    end = queries.start_of(at, interval="month")
    start = queries.earlier_start(end, by=1, interval="month")
    found = business.lowest_margins(start=start, end=end, at_most=LOWEST_MARGINS)
    return Panel(
        title=f"Lowest margins, {start:%B}",
        headers=["account", "invoiced", "its usage cost", "left"],
        rows=[
            [
                format_html(LINK, reverse("admin:usage_account_change", args=[each.account_id]), each.name),
                usd(each.invoiced),
                usd(each.cost),
                billed(each.left),
            ]
            for each in found
        ],
        note="" if found else "Nothing was invoiced last month.",
    )


def figures(*, at: datetime) -> list[Figure]:
    """What is owed, and what needs somebody."""
    owed, stuck = business.receivables(at=at), business.stuck()
    invoices = "subscriptions_billinghistory"
    pushes = stuck.invoices + stuck.credit_notes + stuck.profiles
    return [
        _figure(
            "Open invoices",
            usd(owed.open),
            f"{owed.open_count:,} to be paid.",
            _list(invoices, state__exact="open"),
        ),
        _figure(
            "Overdue",
            usd(owed.overdue),
            f"{owed.overdue_count:,} open beyond the day they were due by.",
            _list(invoices, attention="overdue"),
        ),
        _figure(
            "Payment failed",
            f"{owed.failed_count:,}",
            "Open invoices whose card was declined, or that found none.",
            _list(invoices, attention="failed"),
        ),
        _figure(
            "Periods that failed to close",
            f"{stuck.close_failures:,}",
            "Tried again by themselves, later and later.",
            _list("subscriptions_closefailure"),
        ),
        _figure(
            "Pushes to Stripe parked",
            f"{pushes:,}",
            f"{stuck.invoices:,} invoices, {stuck.credit_notes:,} credit notes, {stuck.profiles:,} profiles.",
            _parked(stuck),
        ),
        _figure(
            "Stripe events parked",
            f"{stuck.events:,}",
            "Heard from Stripe, and not understood.",
            _list("subscriptions_stripeevent", state__exact="parked"),
        ),
    ]


def _margin(title: str, revenue: Decimal, cost: Decimal, about: str) -> Figure:
    left = revenue - cost
    share = f"{100 * left / revenue:.0f} % of revenue. " if revenue > 0 else ""
    return _figure(title, f"−{usd(-left)}" if left < 0 else usd(left), f"{share}{about}", "")


def _parked(stuck: business.Stuck) -> str:
    """The list of what is parked, of the first kind that has any."""
    if stuck.invoices or not stuck.credit_notes + stuck.profiles:
        return _list("subscriptions_billinghistory", attention="parked")
    room = "subscriptions_creditnote" if stuck.credit_notes else "subscriptions_billingprofile"
    return _list(room, push="parked")


def _figure(title: str, value: str, about: str, href: str) -> Figure:
    return {"title": title, "value": value, "about": about, "href": href}


def _list(name: str, **query: Any) -> str:
    return reverse(f"admin:{name}_changelist", query=query or None)
