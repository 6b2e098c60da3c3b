"""Amounts of US dollars: Decimal, exact until an invoice line rounds them."""

from decimal import ROUND_HALF_EVEN, Decimal

# The scale of every stored cost. Prices have at most 12 decimals and quantities at most 3, so a product
# always fits: storing a cost never rounds it.
COST_PLACES = 18
COST_MAX_DIGITS = 36
# Prices per single unit, in twelve decimals: these hold any published price per million tokens exactly.
PRICE_PLACES = 12
PRICE_LIMIT = Decimal(10_000)
CENT = Decimal("0.01")
ZERO = Decimal(0)


def parse_amount(text: str) -> Decimal:
    """The non-negative amount that `text` spells, at most 18 decimals; ValueError says what is wrong."""
    try:
        amount = Decimal(text)
    except ArithmeticError:
        raise ValueError(f"{text!r} is not a decimal number") from None
    if not amount.is_finite():
        raise ValueError(f"{text!r} is not a finite amount")
    if amount < 0:
        raise ValueError(f"{text!r} is negative")
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > COST_PLACES:
        raise ValueError(f"{text!r} has more than {COST_PLACES} decimals")
    if amount.adjusted() >= COST_MAX_DIGITS - COST_PLACES:
        raise ValueError(f"{text!r} is too large")
    return amount


def parse_price(text: str) -> Decimal:
    """The price of one unit that `text` spells; ValueError says what is wrong with it.

    At most 12 decimals and four digits before them, as the price table holds: with a quantity's ten digits
    and three decimals every product is exact.
    """
    price = parse_amount(text)
    exponent = price.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > PRICE_PLACES:
        raise ValueError(f"{text!r} has more than {PRICE_PLACES} decimals")
    if price >= PRICE_LIMIT:
        raise ValueError(f"{text!r} is too large for one unit")
    return price


def format_amount(amount: Decimal) -> str:
    """`amount` in plain digits without trailing zeros: "47.608895", "0"."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_cents(amount: Decimal) -> bool:
    """Whether `amount` is a finite number of whole cents, and no larger than a cost can be."""
    fits = amount.is_finite() and amount.adjusted() < COST_MAX_DIGITS - COST_PLACES
    return fits and amount == to_cents(amount)


def to_cents(amount: Decimal) -> Decimal:
    """`amount` rounded half-even to cents; only invoice lines and people's displays may round."""
    return amount.quantize(CENT, rounding=ROUND_HALF_EVEN)
