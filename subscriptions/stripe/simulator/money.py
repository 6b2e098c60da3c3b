"""Amounts in the smallest unit of a currency, as whole numbers throughout."""

from decimal import ROUND_HALF_UP, Decimal

from subscriptions.stripe.simulator.wire import ApiError

# The smallest charge Stripe makes, per currency; a smaller invoice is carried over.
SMALLEST_CHARGES = {
    "aud": 50,
    "cad": 50,
    "chf": 50,
    "dkk": 250,
    "eur": 50,
    "gbp": 30,
    "jpy": 50,
    "nok": 300,
    "pln": 200,
    "sek": 300,
    "usd": 50,
}
DEFAULT_SMALLEST_CHARGE = 50
LARGEST_CHARGE = 99_999_999
WITHOUT_DECIMALS = {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf"}


def rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def share(amount: int, *, part: int, whole: int) -> int:
    """`part` in `whole` of the amount, rounded half up."""
    return rounded(Decimal(amount) * part / whole) if whole else 0


def smallest_charge(currency: str) -> int:
    return SMALLEST_CHARGES.get(currency, DEFAULT_SMALLEST_CHARGE)


def check_chargeable(amount: int, *, currency: str) -> None:
    """Raises ApiError for an amount no card can be charged."""
    if amount < 1:
        raise ApiError("This value must be greater than or equal to 1.", param="amount")
    if amount < smallest_charge(currency):
        written = text(smallest_charge(currency), currency=currency)
        raise ApiError(
            f"Amount must be at least {written}.",
            code="amount_too_small",
            param="amount",
        )
    if amount > LARGEST_CHARGE:
        written = text(LARGEST_CHARGE, currency=currency)
        raise ApiError(f"Amount must be no more than {written}.", code="amount_too_large", param="amount")


def text(amount: int, *, currency: str) -> str:
    """For people: `1,234.50 USD`."""
    if currency in WITHOUT_DECIMALS:
        return f"{amount:,} {currency.upper()}"
    return f"{Decimal(amount) / 100:,.2f} {currency.upper()}"
