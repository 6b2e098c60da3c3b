"""The one tree of errors this system raises on purpose, each ready to be shown to a person or a program."""

from collections.abc import Mapping
from typing import Any, ClassVar


class BillingError(Exception):
    """Base of the tree.

    `code` is for machines and never changes; `message` is a sentence for people that says what to do;
    `details` is JSON-ready; `hint` names an upgrade or payment that would help, where one does.
    """

    code: ClassVar[str] = "billing_error"
    status: int = 500

    def __init__(
        self, message: str, *, code: str = "", details: Mapping[str, Any] | None = None, hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = code or self.code
        self.details = dict(details or {})
        self.hint = hint


class InvalidRequest(BillingError):
    """The request's form is wrong; the message names the field and what it takes."""

    code = "invalid_request"
    status = 400


class NotAuthenticated(BillingError):
    """No credential, or one that is not valid (any more)."""

    code = "not_authenticated"
    status = 401


class AccessDenied(BillingError):
    """The credential is valid but does not reach this far."""

    code = "access_denied"
    status = 403


class NotFound(BillingError):
    """There is no such thing, or none whose existence may be told."""

    code = "not_found"
    status = 404


class TooLarge(BillingError):
    """The body or the batch is over its bound."""

    code = "too_large"
    status = 413


class PricingException(BillingError):
    """A cost cannot be computed: no price for the model, or the price book refuses a row."""

    code = "price_unknown"
    status = 422


class TrackingException(BillingError):
    """Usage cannot be recorded as it was reported."""

    code = "tracking_failed"
    status = 422


class UsageLimitExceededException(BillingError):
    """The call was refused before it was made; `details` hold the decision with the limits consulted.

    429 where waiting helps (`details` then have `retry_after`, in seconds), 402 where only a person can help.
    """

    code = "limit_exceeded"
    status = 429

    def __init__(
        self, message: str, *, status: int = 429, code: str = "", details: Mapping[str, Any], hint: str = ""
    ) -> None:
        super().__init__(message, code=code, details=details, hint=hint)
        self.status = status


class SubscriptionException(BillingError):
    """The account's subscription does not allow it; a payment or a change of plan would."""

    code = "subscription_inactive"
    status = 402


class Conflict(BillingError):
    """The thing is in a state in which this cannot be done (any more)."""

    code = "conflict"
    status = 409


class EnforcementUnavailable(BillingError):
    """Nobody can say just now whether the call may go ahead; by default it then may not."""

    code = "enforcement_unavailable"
    status = 503
