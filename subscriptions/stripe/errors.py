"""What can go wrong with Stripe, in three kinds: not now, not like this, and not with this card."""

from typing import ClassVar

from usage.core.errors import BillingError


class StripeError(BillingError):
    """Base of the tree; no message of it holds a secret."""


class StripeOff(StripeError):
    """This installation takes no card payments."""

    code: ClassVar[str] = "card_payments_off"
    status = 503


class StripeUnavailable(StripeError):
    """No answer, or one that says nothing: the same call, under the same key, may succeed later."""

    code: ClassVar[str] = "stripe_unavailable"
    status = 503


class StripeFailed(StripeUnavailable):
    """Stripe failed while it did this, and repeats that answer for the key: see what came of it, then ask
    under another key.
    """


class StripeRefused(StripeError):
    """Stripe understood and said no: asking again does not help."""

    code: ClassVar[str] = "stripe_refused"
    status = 502


class StripeMissing(StripeRefused):
    """There is no such thing at Stripe."""

    code: ClassVar[str] = "stripe_missing"


class CardDeclined(StripeError):
    """The card was not charged; `error_code` is why, in Stripe's words."""

    code: ClassVar[str] = "card_declined"
    status = 402
