"""What the account's page says of money: how it pays, what it is heading for, its latest invoices."""

from datetime import datetime
from decimal import Decimal

from django.db.models import Count, F, Sum
from django.utils.html import format_html

from subscriptions import credits, dunning, previews
from subscriptions.admin.base import LINK, dollars, link, list_page, minute, span
from subscriptions.core.invoices import InvoiceState
from subscriptions.models import BillingHistory, BillingProfile, CreditGrant
from subscriptions.previews import Upcoming
from usage.admin.operations import Panel
from usage.core.money import ZERO
from usage.models import Account

LATEST = 10
MAX_LINES = 100


def panels(account: Account, *, at: datetime) -> list[Panel]:
    """How `account` stands at `at`."""
    return [_standing(account, at=at), _upcoming(previews.upcoming(account, at=at)), _invoices(account)]


def _standing(account: Account, *, at: datetime) -> Panel:
    """Card, credit and what is owed, name and value."""
    profile = BillingProfile.objects.filter(account=account).first()
    rows = [
        ["Card", _card(profile)],
        ["Credit (USD)", _linked(CreditGrant, account, dollars(credits.balance_of(account, at=at)))],
        ["Open (USD)", _owed(account)],
        ["In arrears", "yes: a payment of an open invoice failed" if dunning.in_arrears(account) else "no"],
    ]
    if profile is not None and profile.hold_reason:
        rows.append(["Not charged", profile.hold_reason])
    return Panel(title="Billing", rows=rows)


def _card(profile: BillingProfile | None) -> str:
    if profile is None:
        return "none"
    expires = f", {profile.card_exp_year}-{profile.card_exp_month:02}" if profile.card_exp_year else ""
    name = f"{profile.card_brand} {profile.card_last4}{expires}" if profile.has_card else "none"
    return format_html("{} ({})", name, link(profile, "billing profile"))


def _owed(account: Account) -> str:
    remaining = F("amount_due") - F("amount_credited") - F("amount_paid")
    found = BillingHistory.objects.filter(account=account, state=InvoiceState.OPEN)
    owed = found.aggregate(count=Count("pk"), sum=Sum(remaining))
    amount: Decimal = owed["sum"] or ZERO
    return f"{dollars(amount)} on {owed['count']}" if owed["count"] else dollars(amount)


def _linked(model: type[CreditGrant], account: Account, text: str) -> str:
    return format_html(LINK, list_page(model, q=account.external_id), text)


def _upcoming(upcoming: Upcoming | None) -> Panel:
    if upcoming is None:
        return Panel(title="Upcoming invoice", note="None: no billing period of a subscription is open.")
    lines = [
        [
            each.line.description,
            span(each.line.term.start, each.line.term.end),
            dollars(each.amount),
        ]
        for each in upcoming.lines[:MAX_LINES]
    ]
    return Panel(
        title="Upcoming invoice",
        headers=["what", "period (UTC)", "USD"],
        rows=lines,
        note=f"If nothing more happens: {dollars(upcoming.total)} USD, of which credits take "
        f"{dollars(upcoming.credit)}; {dollars(upcoming.amount_due)} USD are due from "
        f"{upcoming.due_from:%Y-%m-%d %H:%M} UTC on.",
    )


def _invoices(account: Account) -> Panel:
    found = list(BillingHistory.objects.filter(account=account).order_by("-pk")[:LATEST])
    return Panel(
        title="Latest invoices",
        headers=["invoice", "state", "why", "total (USD)", "remaining (USD)", "finalized (UTC)"],
        rows=[
            [
                link(each),
                each.get_state_display(),
                each.get_reason_display(),
                dollars(each.total),
                dollars(each.amount_remaining),
                minute(each.finalized_at),
            ]
            for each in found
        ],
        note="" if found else "None.",
    )
