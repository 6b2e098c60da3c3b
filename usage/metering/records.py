"""The events that metering writes, and their way to the meter."""

import logging
from datetime import datetime

import msgspec
from uuid_utils import uuid7

from usage.events import MAX_COUNT, ReportedCost, UsageData, UsageEvent
from usage.metering.context import Attribution
from usage.metering.permits import Permit
from usage.metering.protocol import Meter
from usage.operations import Operation
from usage.wire.base import Reading

logger = logging.getLogger(__name__)

SOURCE = "metering"
ESTIMATED = ReportedCost(source="estimated")

MAX_MODEL = 160
MAX_ENDPOINT = 200
MAX_NAME = 128
MAX_SHORT_TEXT = 64


def event_of(
    reading: Reading | None,
    *,
    attribution: Attribution,
    operation: Operation,
    permit: Permit,
    started_at: datetime,
    operation_name: str = "",
    **measured: str | int | float,
) -> UsageEvent:
    """The event of one call of `attribution.customer`; without a reading it states no quantities.

    `operation_name` is OpenTelemetry's; `measured` are the fields of the event's data that say how the call
    went, such as `status_code`.
    """
    data = UsageData(
        provider=operation.provider,
        request_model=operation.model,
        operation=operation_name,
        request_type=operation.request_type,
        endpoint=operation.endpoint,
        tags=operation.tags,
        byok=operation.byok,
        authorization=permit.authorization,
        end_user=attribution.end_user[:MAX_NAME].replace("\x00", ""),
        **measured,  # type: ignore[arg-type]
    )
    return UsageEvent(
        id=str(uuid7()),
        source=SOURCE,
        subject=attribution.customer,
        time=started_at,
        data=data if reading is None else _with(data, reading),
    )


def _with(data: UsageData, reading: Reading) -> UsageData:
    return msgspec.structs.replace(
        data,
        response_model=reading.response_model[:MAX_MODEL],
        input_tokens=reading.input_tokens,
        cached_input_tokens=reading.cached_input_tokens,
        cache_write_tokens=reading.cache_write_tokens,
        output_tokens=reading.output_tokens,
        reasoning_tokens=reading.reasoning_tokens,
        units=reading.units,
        cost=reading.cost or (ESTIMATED if reading.estimated else None),
    )


def settle(meter: Meter, event: UsageEvent) -> None:
    """Hand `event` to the meter. What goes wrong is logged and not raised: the provider's answer is already
    with the caller, who would only repeat, and pay again for, a call that did succeed.
    """
    try:
        meter.settle(event)
    except Exception:
        logger.exception("The usage of event %s could not be settled", event.id)


def bounded(count: int) -> int:
    """`count` as far as an event can carry it."""
    return min(count, MAX_COUNT)
