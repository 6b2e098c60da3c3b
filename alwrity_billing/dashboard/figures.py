"""How numbers are written for people: template filters, each exact or honest about what it leaves out.

Money is rounded to cents for display only, and always with its exact amount beside it: the `money` filter
writes both, and the page's "Exact amounts" switch says which one is seen.
"""

from decimal import ROUND_HALF_EVEN, Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from usage.core.money import CENT, format_amount, is_cents, to_cents
from usage.providers import name_of

register = template.Library()

TENTH = Decimal("0.1")
CENTS_PLACES = 2
MINUS = "\N{MINUS SIGN}"


register.filter("provider_name", name_of)


@register.filter
def usd(amount: Decimal) -> str:
    """Dollars and cents: "$1,234.50". Below a cent two significant digits, "$0.0062", never "$0.00"."""
    if 0 < amount < CENT:
        second_digit = Decimal(1).scaleb(amount.adjusted() - 1)
        return f"${format_amount(amount.quantize(second_digit, rounding=ROUND_HALF_EVEN))}"
    return f"${to_cents(amount):,f}"


@register.filter
def exact_usd(amount: Decimal) -> str:
    """Every digit of the amount, cents at least: "$47.608895", "$50.00"."""
    whole, _, decimals = format_amount(amount).partition(".")
    return f"${int(whole):,}.{decimals.ljust(CENTS_PLACES, '0')}"


@register.filter
def money(amount: Decimal) -> str | SafeString:
    """The amount in cents and, where that leaves digits out, exactly: one of them is shown."""
    rounded, exact = usd(amount), exact_usd(amount)
    if rounded == exact:
        return exact
    return format_html(
        '<span class="money"><span class="money-rounded">{}</span><span class="money-exact">{}</span></span>',
        rounded,
        exact,
    )


@register.filter
def usd_each(amount: Decimal) -> str:
    """What one of something costs, to be compared: in cents, below a dollar in three significant digits."""
    if not amount or amount >= 1:
        return usd(amount)
    third_digit = Decimal(1).scaleb(amount.adjusted() - 2)
    rounded = amount.quantize(third_digit, rounding=ROUND_HALF_EVEN)
    return usd(rounded) if is_cents(rounded) else f"${rounded:f}"


@register.filter
def difference(amount: Decimal) -> str | SafeString:
    """As `money`, of what is more ("+$1.50") or less ("−$0.25"); a dash for neither."""
    if not amount:
        return "–"
    return format_html("{}{}", MINUS if amount < 0 else "+", money(abs(amount)))


@register.filter
def billed(cents: Decimal) -> str:
    """An amount of an invoice: "$1,234.50"; what is the customer's has a minus, "−$2.00"."""
    return f"{MINUS if cents < 0 else ''}${abs(cents):,.2f}"


@register.filter
def billed_exactly(amount: Decimal) -> str:
    """The same with every digit: "$12.345678", "−$2.00"."""
    return f"{MINUS if amount < 0 else ''}{exact_usd(abs(amount))}"


@register.filter
def plain(number: Decimal) -> str:
    """Every digit and no sign of a currency, for the price of one unit: "0.0000025"."""
    return format_amount(number)


@register.filter
def count(number: int | None) -> str:
    """A whole number with thousands separators; a dash for a quantity the call did not have."""
    return "–" if number is None else f"{number:,}"


@register.filter
def percent(share: Decimal) -> str:
    """A percentage to one decimal; what is above nothing never reads "0.0%", nor below all "100.0%"."""
    if share in (0, 100):
        return f"{share:.0f}%"
    if share < TENTH:
        return "<0.1%"
    if share > 100 - TENTH:
        return ">99.9%"
    return f"{share.quantize(TENTH, rounding=ROUND_HALF_EVEN)}%"


@register.filter
def change(share: Decimal | None) -> str:
    """A change in percent with its sign: "+12.5%", "−3.0%", "0%"; a dash where nothing was before."""
    if share is None:
        return "–"
    if not share:
        return "0%"
    return f"{MINUS if share < 0 else '+'}{abs(share):,.1f}%"


@register.filter
def seconds(duration_s: Decimal) -> str:
    """A duration for people: milliseconds below one second, two decimals of a second above."""
    if duration_s < 1:
        return f"{duration_s * 1000:.0f} ms"
    return f"{duration_s:,.2f} s"


@register.filter
def milliseconds(duration_ms: int | None) -> str:
    """As `seconds`, of whole milliseconds; a dash where no time was reported."""
    return "–" if duration_ms is None else seconds(Decimal(duration_ms) / 1000)
