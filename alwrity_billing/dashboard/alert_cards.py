"""What an alert looks like in the inbox: how urgent it is, its figures, and where it leads to."""

import re
from dataclasses import dataclass
from datetime import datetime

from alerts.core.findings import Severity
from alerts.models import UsageAlert
from subscriptions.invoice_texts import span

# Figures that the bar shows, and those that are for programs.
IN_THE_BAR = ("used", "amount", "percent")
NOT_SHOWN = ("measure", "source", "mode", "limit", "limit_name")
# The database keeps no order of figures; those that are not named here follow by their names.
IN_ORDER = ("remaining", "expected", "low", "high", "today", "usual", "factor", "calls", "errors", "percent")
PERCENT = re.compile(r"([0-9]{1,6})(?:\.[0-9]+)? ?%")
# What is said of the page that an alert leads to, by how its address begins; the first that fits.
LEADS_TO = (
    ("/billing/invoices/", "See the invoice"),
    ("/billing/plans/", "See the plans"),
    ("/billing/", "See billing"),
    ("/alerts/settings/", "See the channels"),
    ("/alerts/deliveries/", "See the deliveries"),
)
INBOX_PATH = "/alerts/"


@dataclass(frozen=True, slots=True)
class Look:
    """How urgent it is in a colour, a shape and a word: none of them says it alone."""

    tone: str
    shape: str
    word: str


RESOLVED = Look("good", "check", "Resolved")
LOOKS = {
    Severity.ERROR: Look("bad", "octagon", "Urgent"),
    Severity.WARNING: Look("warn", "triangle", "Warning"),
    Severity.INFO: Look("info", "circle", "Good to know"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """How much of something is used: in words, and in whole percent, at most 100 of them filled."""

    used: str
    amount: str
    percent: str
    filled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An alert with all that its card shows."""

    alert: UsageAlert
    look: Look
    bar: Bar | None
    facts: list[tuple[str, str]]
    period: str
    link: str
    link_name: str


def card_of(alert: UsageAlert) -> Card:
    """The card of an alert. What a state was when it was told of is left out once it has ended."""
    facts = {} if alert.is_recovery else dict(alert.payload.get("facts", {}))
    bar = _bar(facts)
    shown = [name for name in facts if name not in NOT_SHOWN and not (bar and name in IN_THE_BAR)]
    shown.sort(key=lambda name: (IN_ORDER.index(name) if name in IN_ORDER else len(IN_ORDER), name))
    link = alert.path if _leads_on(alert.path) else ""
    return Card(
        alert=alert,
        look=RESOLVED if alert.is_recovery else LOOKS[Severity(alert.severity)],
        bar=bar,
        facts=[(name.replace("_", " ").capitalize(), facts[name]) for name in shown],
        period=_period(alert.period_start, alert.period_end),
        link=link,
        link_name=next((name for start, name in LEADS_TO if link.startswith(start)), "See your usage"),
    )


def _bar(facts: dict[str, str]) -> Bar | None:
    percent = PERCENT.fullmatch(facts.get("percent", ""))
    if percent is None or not facts.get("used") or not facts.get("amount"):
        return None
    return Bar(
        used=facts["used"],
        amount=facts["amount"],
        percent=facts["percent"],
        filled=min(int(percent[1]), 100),
    )


def _leads_on(path: str) -> bool:
    """Whether the path is that of another page of ours."""
    return path.startswith("/") and not path.startswith("//") and path != INBOX_PATH


def _period(start: datetime | None, end: datetime | None) -> str:
    return "" if start is None or end is None else span(start, end)
