"""What the account's page says of money: how it pays, what it is heading for, its latest invoices."""

from datetime import datetime
from decimal import Decimal

from django.db.models import Count, F, Sum
from django.utils.html import format_html, format_html_join

from subscriptions import credits, dunning, previews
from subscriptions.admin.base import LINK, add_page, dollars, link, list_page, minute, span
from subscriptions.core.invoices import InvoiceState
from subscriptions.models import BillingHistory, BillingProfile, CreditGrant, InvoiceItem
from subscriptions.previews import Upcoming
from usage.admin.operations import Panel
from usage.core.money import ZERO
from usage.models import Account

LATEST = 10
MAX_LINES = 100


def panels(account: Account, *, at: datetime, may_settle: bool) -> list[Panel]:
    """How `account` stands at `at`; who may settle is led to what can be done about it."""
    return [
        _standing(account, at=at, may_settle=may_settle),
        _upcoming(previews.upcoming(account, at=at)),
        _invoices(account),
    ]


def _standing(account: Account, *, at: datetime, may_settle: bool) -> Panel:
    """Card, credit and what is owed."""
    profile = BillingProfile.objects.filter(account=account).first()
    return Panel(
        title="Billing",
        headers=["card", "held back", "credit (USD)", "open (USD)", "in arrears"],
        rows=[
            [
                _card(profile),
                (profile.hold_reason if profile else "") or "no",
                format_html(
                    LINK,
                    list_page(CreditGrant, q=account.external_id),
                    dollars(credits.balance_of(account, at=at)),
                ),
                _owed(account),
                "yes: a payment of an open invoice failed" if dunning.in_arrears(account) else "no",
            ]
        ],
        note=_ways(account, has_profile=profile is not None) if may_settle else "",
    )


def _ways(account: Account, *, has_profile: bool) -> str:
    """Where to act: add pages that know the account."""
    ways = [("Give a credit", CreditGrant), ("Adjust the next invoice", InvoiceItem)]
    if not has_profile:
        ways.append(("Say whom invoices go to", BillingProfile))
    return format_html_join(
        " · ", LINK, ((add_page(model, account=account.pk), text) for text, model in ways)
    )


def _card(profile: BillingProfile | None) -> str:
    if profile is None:
        return "none"
    expires = f", {profile.card_exp_year}-{profile.card_exp_month:02}" if profile.card_exp_year else ""
    return link(
        profile, f"{profile.card_brand} {profile.card_last4}{expires}" if profile.has_card else "none"
    )


def _owed(account: Account) -> str:
    remaining = F("amount_due") - F("amount_credited") - F("amount_paid")
    found = BillingHistory.objects.filter(account=account, state=InvoiceState.OPEN)
    owed = found.aggregate(count=Count("pk"), sum=Sum(remaining))
    amount: Decimal = owed["sum"] or ZERO
    return f"{dollars(amount)} on {owed['count']}" if owed["count"] else dollars(amount)


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
