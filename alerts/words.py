"""How figures are written in alerts: display-ready texts, the same in every channel."""

from datetime import datetime
from decimal import Decimal

from subscriptions.invoice_texts import day
from usage.core.money import CENT, format_amount, to_cents
from usage.limits import LimitState
from usage.models import LimitMode, LimitScope, LimitSource, Measure, Window
from usage.providers import name_of

TENTH = Decimal("0.1")
WINDOWS = {
    Window.HOUR: "this hour",
    Window.DAY: "today",
    Window.PERIOD: "this billing period",
}


def usd(amount: Decimal) -> str:
    """ "1,234.50 USD"; exact below a cent."""
    if 0 < amount < CENT:
        return f"{format_amount(amount)} USD"
    return f"{to_cents(amount):,f} USD"


def number(amount: Decimal | int) -> str:
    """ "12,500", "0.5"."""
    whole, _, decimals = format_amount(Decimal(amount)).partition(".")
    return f"{int(whole):,}{'.' if decimals else ''}{decimals}"


def about(measure: str, amount: Decimal) -> Decimal:
    """An expected amount as it may be told: cents of money, whole numbers of what is counted."""
    return to_cents(amount) if measure == Measure.COST else amount.quantize(Decimal(1))


def percent(share: Decimal | int) -> str:
    """ "84 %", rounded down: what is not reached never reads as if it were."""
    return f"{int(share)} %"


def moment(at: datetime) -> str:
    """ "1 March 2026, 00:00 UTC"."""
    return f"{day(at)}, {at:%H:%M} UTC"


def masked(address: str) -> str:
    """ "a…@example.com": an email address for those who need not know it; other texts as they are."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}" if at else address


def amount_of(measure: str, amount: Decimal) -> str:
    """An amount of a limit, with its unit: "12.50 USD", "5,000 tokens"."""
    return usd(amount) if measure == Measure.COST else f"{number(amount)} {measure}"


def used_of(measure: str, used: Decimal, amount: Decimal) -> str:
    """ "8,400 of 10,000 tokens", "4.20 of 5.00 USD"."""
    if measure == Measure.COST:
        return f"{usd(used).removesuffix(' USD')} of {usd(amount)}"
    return f"{number(used)} of {number(amount)} {measure}"


def limit_name(state: LimitState) -> str:
    """What people call the limit: "OpenAI tokens", "monthly budget", "spend today"."""
    if state.measure == Measure.COST and state.scope == LimitScope.EVERYTHING:
        return _cost_name(state)
    match state.scope:
        case LimitScope.EVERYTHING:
            return str(state.measure)
        case LimitScope.PROVIDER:
            whose = name_of(state.scope_value)
        case _:
            whose = state.scope_value.replace("_", " ")
    what = "spend" if state.measure == Measure.COST else state.measure
    return f"{whose} {what}"


def _cost_name(state: LimitState) -> str:
    if state.window != Window.PERIOD:
        return f"spend {WINDOWS[Window(state.window)]}"
    if state.source == LimitSource.BUDGET:
        return "monthly budget"
    return "included usage" if state.mode == LimitMode.BILL else "monthly spend limit"
