"""The usage event as it travels: CloudEvents 1.0 with OpenTelemetry GenAI attribute names in `data`.

The same structs serve the HTTP API and Python callers, so that one event has one form and one content hash.
Names follow docs.cloudevents.io (1.0.2) and the OpenTelemetry GenAI registry; what that registry does not
name (units, tags, cost …) is ours.
"""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from usage.core.money import format_amount

# A count in one call. Bounded so that every product with a price is exact in Decimal's 28 digits, and by the
# width of the log's integer columns.
MAX_COUNT = 2_000_000_000
MAX_SECONDS = 999_999_999
SECONDS_PLACES = 3

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
ShortText = Annotated[str, msgspec.Meta(max_length=64)]
Name = Annotated[str, msgspec.Meta(max_length=128)]
ModelName = Annotated[str, msgspec.Meta(max_length=160)]
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
# Decimal strings, so that no JSON library in between can turn money into a binary fraction.
# Nine digits of dollars for one call leave the totals' eighteen room for a thousand million such calls.
AmountText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,18})?$")]
SecondsText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,3})?$")]


class Strict(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A part of the event in which a name we do not know is a mistake worth telling."""


class Units(Strict, frozen=True):
    """What the call consumed besides tokens. A unit left out was not consumed.

    `seconds` is a whole number or a decimal string with at most three places ("12.5").
    """

    requests: Count | None = None
    searches: Count | None = None
    images: Count | None = None
    pages: Count | None = None
    seconds: Annotated[int, msgspec.Meta(ge=0, le=MAX_SECONDS)] | SecondsText | None = None
    characters: Count | None = None


NO_UNITS = Units()


class Tags(Strict, frozen=True):
    """Whom inside the account the call is allocated to."""

    team: Name = ""
    project: Name = ""
    department: Name = ""


class ReportedCost(Strict, frozen=True):
    """A cost known to the sender. `provider`: the provider reported it; `estimated`: the sender's guess.

    `local` (or no cost at all) leaves the rating to the price book, and then takes no amount.
    """

    source: Literal["provider", "local", "estimated"]
    amount: AmountText | None = None
    currency: Literal["USD"] = "USD"


class UsageData(Strict, frozen=True):
    """One call to a provider. Token counts are totals with parts: cached ⊂ input, reasoning ⊂ output."""

    provider: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = msgspec.field(
        name="gen_ai.provider.name"
    )
    request_model: ModelName = msgspec.field(name="gen_ai.request.model", default="")
    response_model: ModelName = msgspec.field(name="gen_ai.response.model", default="")
    operation: ShortText = msgspec.field(name="gen_ai.operation.name", default="")
    input_tokens: Count | None = msgspec.field(name="gen_ai.usage.input_tokens", default=None)
    cached_input_tokens: Count | None = msgspec.field(
        name="gen_ai.usage.cache_read.input_tokens", default=None
    )
    cache_write_tokens: Count | None = msgspec.field(
        name="gen_ai.usage.cache_creation.input_tokens", default=None
    )
    output_tokens: Count | None = msgspec.field(name="gen_ai.usage.output_tokens", default=None)
    reasoning_tokens: Count | None = msgspec.field(name="gen_ai.usage.reasoning.output_tokens", default=None)
    units: Units = NO_UNITS
    tags: Tags = Tags()
    cost: ReportedCost | None = None
    endpoint: Annotated[str, msgspec.Meta(max_length=200)] = ""
    method: Annotated[str, msgspec.Meta(max_length=16)] = ""
    request_type: ShortText = ""
    status_code: Annotated[int, msgspec.Meta(ge=100, le=599)] = 200
    response_time: Annotated[float, msgspec.Meta(ge=0, le=2_000_000)] | None = None
    request_size: Count | None = None
    response_size: Count | None = None
    retry_count: Annotated[int, msgspec.Meta(ge=0, le=32_000)] = 0
    error_message: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    end_user: Name = ""
    authorization: ShortText = ""
    # The customer's own provider key paid: metered and priced for information, not billed.
    byok: bool = False


class UsageEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One metered call as its sender reports it, identified by (account, source, id).

    `subject` is the account's external id; `time` is when the call happened (default: when it is recorded).
    CloudEvents extension attributes around `data` are allowed and ignored.
    """

    id: Identifier
    source: Identifier
    subject: Annotated[str, msgspec.Meta(max_length=128)] = ""
    time: Instant | None = None
    data: UsageData
    specversion: Literal["1.0"] = "1.0"
    datacontenttype: Literal["application/json"] = "application/json"


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of one event of a batch.

    `recorded` and `replayed` carry the cost in USD, `recorded` also `overrun` when the call went beyond what
    was held for it; a `conflict` (same id, other content) and a `rejected`
    event carry a machine `code`, a JSON `pointer` to the field and a sentence. `index` is the event's place
    in the batch.
    """

    index: int
    outcome: Literal["recorded", "replayed", "conflict", "rejected"]
    source: str = ""
    id: str = ""
    cost: str | None = None
    currency: str | None = None
    overrun: bool = False
    code: str | None = None
    pointer: str | None = None
    message: str | None = None


_encoder = msgspec.json.Encoder()


def content_hash(event: UsageEvent, *, subject: str) -> str:
    """32 hex digits, equal for two events that say the same of a call of `subject`, however they spell it.

    The same instant in another timezone, the subject left out or given, seconds as 12 or "12.0" make no
    difference; the identity (source, id) is not part of it.
    """
    time = event.time if event.time is None or event.time.tzinfo is UTC else event.time.astimezone(UTC)
    data = event.data
    if data.units.seconds is not None:
        seconds = format_amount(Decimal(data.units.seconds))
        data = msgspec.structs.replace(data, units=msgspec.structs.replace(data.units, seconds=seconds))
    return hashlib.blake2b(_encoder.encode((subject, time, data)), digest_size=16).hexdigest()
