"""Cards that are about to expire, or have."""

from collections.abc import Iterator
from datetime import datetime

from alerts.core.findings import Finding, Severity
from alerts.core.rules import CARD_EXPIRING
from alerts.raising import Found
from subscriptions import attention, queries
from subscriptions.invoice_texts import day
from subscriptions.models import BillingProfile

RULE = CARD_EXPIRING


def find(*, at: datetime) -> Iterator[Found]:
    """The cards on file that are good for no more than a month."""
    for profile in queries.cards_ending(at=at + attention.CARD_EXPIRES_WITHIN):
        expiry = attention.expiry_of(profile)
        if expiry is not None and expiry - at <= attention.CARD_EXPIRES_WITHIN:
            yield profile.account, _finding(profile, expiry, has_expired=expiry <= at)


def _finding(profile: BillingProfile, expiry: datetime, *, has_expired: bool) -> Finding:
    card = attention.card_name(profile.card_brand, profile.card_last4)
    when = "has expired" if has_expired else f"expires before {day(expiry)}"
    return Finding(
        subject=f"card/{profile.payment_method_id}",
        occasion="expired" if has_expired else "expires",
        severity=Severity.ERROR if has_expired else Severity.WARNING,
        title=f"Your {card} {when}",
        message="Put another one in its place, so that your next invoice can be paid.",
        facts={
            "brand": profile.card_brand.replace("_", " ").title(),
            "last4": profile.card_last4,
            "expires": f"{profile.card_exp_month:02}/{profile.card_exp_year}",
        },
        path="/billing/",
    )
