"""What a caller intends to do, and the answer to "may I?": the structs of authorizations.

The HTTP API, Python callers and the metering client share them, so that a decision reads the same everywhere.
Amounts are decimal strings, as in events.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from usage.events import NO_UNITS, Count, ModelName, Name, ShortText, Strict, Tags, Units

MAX_OPERATIONS = 100
MAX_CALLS = 1_000

Measure = Literal["calls", "tokens", "cost", "searches", "images", "pages", "seconds", "characters"]
Window = Literal["request", "concurrent", "second", "minute", "hour", "day", "period"]
Scope = Literal["everything", "kind", "provider", "model", "request_type", "team", "project"]
Reason = Literal["allowed", "limit_exceeded", "not_included", "account_paused", "subscription_inactive"]


class Operation(Strict, frozen=True):
    """One intended call, or `calls` alike ones. Tokens and units are those of a single call, at most.

    Without `max_output_tokens` the answer names the cap to send upstream. `byok`: the customer's own provider
    key pays, so that no cost is held.
    """

    provider: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    model: ModelName = ""
    input_tokens: Count | None = None
    max_output_tokens: Count | None = None
    units: Units = NO_UNITS
    calls: Annotated[int, msgspec.Meta(ge=1, le=MAX_CALLS)] = 1
    request_type: ShortText = ""
    endpoint: Annotated[str, msgspec.Meta(max_length=200)] = ""
    tags: Tags = Tags()
    byok: bool = False


class PriceRef(Strict, frozen=True):
    """The price row an estimate was made with."""

    id: int
    source: str


class LimitStanding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One limit as it stood when the decision was taken, before the hold. `limit` None is unlimited.

    `used` includes what a sliding window still counts of the one before; `remaining` is never negative.
    """

    name: str
    measure: Measure
    scope: str
    window: Window
    mode: Literal["block", "bill", "notify"]
    source: Literal["plan", "budget", "override"]
    limit: str | None
    used: str
    held: str
    requested: str
    remaining: str | None
    resets_at: datetime | None
    refused: bool


class OperationEstimate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One operation's worst case, of a single call: its cost in USD and the output cap it counts on."""

    provider: str
    model: str
    estimated_cost: str
    max_output_tokens: int | None = None
    price: PriceRef | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The answer to "may I?", with every limit consulted and the one that refused first.

    `estimated_cost` is the worst case of all operations together, in USD. `retry_after` (seconds) is given
    where waiting helps; `upgrade` says of every refusal which person's decision helps.
    """

    allowed: bool
    reason: Reason
    message: str
    limits: list[LimitStanding]
    estimated_cost: str
    operations: list[OperationEstimate]
    price: PriceRef | None = None
    retry_after: int | None = None
    upgrade: str | None = None


class Held(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an authorization reserves until it is settled, released, or `expires_at` passes."""

    state: Literal["open", "settled", "released", "expired"]
    expires_at: datetime
    amounts: dict[str, str]


class Authorized(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Permission for the operations, with their worst case reserved."""

    id: str
    decision: Decision
    hold: Held


class AuthorizationRequest(Strict, frozen=True, kw_only=True):
    """The body that asks for an authorization. `expires_in` is in seconds."""

    customer: Name = ""
    operations: Annotated[list[Operation], msgspec.Meta(min_length=1, max_length=MAX_OPERATIONS)]
    expires_in: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = None
