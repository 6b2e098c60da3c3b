"""Stripe's test cards: what each number does, and the tokens that stand for them."""

from dataclasses import dataclass, field

from subscriptions.stripe.simulator.wire import ApiError


@dataclass(frozen=True, kw_only=True)
class Decline:
    """How an issuer says no: the words of Stripe's card errors."""

    code: str
    decline_code: str
    message: str


GENERIC = Decline(code="card_declined", decline_code="generic_decline", message="Your card was declined.")
INSUFFICIENT_FUNDS = Decline(
    code="card_declined", decline_code="insufficient_funds", message="Your card has insufficient funds."
)
EXPIRED = Decline(code="expired_card", decline_code="expired_card", message="Your card has expired.")
INCORRECT_CVC = Decline(
    code="incorrect_cvc",
    decline_code="incorrect_cvc",
    message="Your card's security code is incorrect.",
)
AUTHENTICATION_REQUIRED = Decline(
    code="authentication_required",
    decline_code="authentication_required",
    message="Your card was declined. This transaction requires authentication.",
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """A test card. `declined` when charged, and when set up too unless `sets_up`."""

    number: str
    name: str
    meaning: str
    tokens: tuple[str, ...] = field(default=())
    brand: str = "visa"
    declined: Decline | None = None
    sets_up: bool = True
    needs_authentication: bool = False
    is_disputed: bool = False
    is_warned_of: bool = False

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def spaced(self) -> str:
        return " ".join(self.number[start : start + 4] for start in range(0, len(self.number), 4))


CARDS = (
    Card(number="4242424242424242", name="visa", meaning="Visa, pays", tokens=("pm_card_visa",)),
    Card(
        number="5555555555554444",
        name="mastercard",
        meaning="Mastercard, pays",
        tokens=("pm_card_mastercard",),
        brand="mastercard",
    ),
    Card(
        number="4000000000000002",
        name="declined",
        meaning="Declined, already when it is saved",
        tokens=("pm_card_chargeDeclined", "pm_card_visa_chargeDeclined"),
        declined=GENERIC,
        sets_up=False,
    ),
    Card(
        number="4000000000000341",
        name="fails_later",
        meaning="Can be saved, declined when charged",
        tokens=("pm_card_chargeCustomerFail",),
        declined=GENERIC,
    ),
    Card(
        number="4000000000009995",
        name="insufficient_funds",
        meaning="Declined: insufficient funds",
        tokens=("pm_card_chargeDeclinedInsufficientFunds", "pm_card_visa_chargeDeclinedInsufficientFunds"),
        declined=INSUFFICIENT_FUNDS,
        sets_up=False,
    ),
    Card(
        number="4000000000000069",
        name="expired_card",
        meaning="Declined: the card has expired",
        tokens=("pm_card_chargeDeclinedExpiredCard",),
        declined=EXPIRED,
        sets_up=False,
    ),
    Card(
        number="4000000000000127",
        name="incorrect_cvc",
        meaning="Declined: the security code is wrong",
        tokens=("pm_card_chargeDeclinedIncorrectCvc",),
        declined=INCORRECT_CVC,
        sets_up=False,
    ),
    Card(
        number="4000002500003155",
        name="needs_authentication",
        meaning="The bank asks the holder to confirm (3-D Secure); later charges need nothing more",
        tokens=("pm_card_authenticationRequiredOnSetup",),
        needs_authentication=True,
    ),
    Card(
        number="4000000000000259",
        name="disputed",
        meaning="Pays, and the holder disputes the charge",
        tokens=("pm_card_createDispute",),
        is_disputed=True,
    ),
    Card(
        number="4000000000005423",
        name="fraud_warning",
        meaning="Pays, and the issuer warns of fraud",
        tokens=("pm_card_createIssuerFraudRecord",),
        is_warned_of=True,
    ),
)
BY_NAME = {card.name: card for card in CARDS}
BY_NUMBER = {card.number: card for card in CARDS}
BY_TOKEN = {token: card for card in CARDS for token in card.tokens}


def of_number(number: str) -> Card:
    """The test card of this number. Raises ApiError for a mistyped one and for any real one."""
    digits = number.replace(" ", "").replace("-", "")
    if card := BY_NUMBER.get(digits):
        return card
    if not digits.isdecimal() or not 12 <= len(digits) <= 19 or not _is_luhn(digits):
        message = "Your card number is incorrect."
        raise card_error(message, code="incorrect_number", param="number")
    message = "Your card was declined. Your request was in test mode, but used a non test card."
    raise card_error(message, code="card_declined", decline_code="test_mode_live_card", param="number")


def card_error(
    message: str, *, code: str, decline_code: str | None = None, param: str | None = None
) -> ApiError:
    details = {"decline_code": decline_code} if decline_code else {}
    return ApiError(message, status=402, kind="card_error", code=code, param=param, details=details)


def _is_luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0
