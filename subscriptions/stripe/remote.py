"""Things at Stripe as this project sees them: plain, amounts in USD, times in UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCard:
    """A saved card, by what may be known of it."""

    id: str
    customer_id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCharge:
    """A charge; `status` is pending, succeeded or failed."""

    id: str
    payment_intent_id: str
    customer_id: str
    status: str
    amount: Decimal
    refunded: Decimal
    disputed: bool
    method: str
    at: datetime
    failure_code: str
    failure_message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteInvoice:
    """An invoice's twin. `ours` is our invoice's primary key, None for one that is not ours."""

    id: str
    customer_id: str
    ours: int | None
    status: str
    total: Decimal
    amount_due: Decimal
    amount_paid: Decimal
    amount_remaining: Decimal
    has_lines: bool
    hosted_url: str
    payment_intent_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTax:
    """Tax that was computed, and by which id it can be reported."""

    calculation_id: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRefund:
    id: str
    charge_id: str
    status: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteDispute:
    id: str
    charge_id: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteWarning:
    """An issuer's early warning of fraud."""

    charge_id: str
    fraud_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCheckout:
    """A Checkout session; `card` is the one that was saved in it."""

    id: str
    customer_id: str
    is_complete: bool
    card: RemoteCard | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteEvent:
    """A verified webhook. What it is about is known by its id alone, and fetched."""

    id: str
    type: str
    object_id: str
    livemode: bool
    created_at: datetime
