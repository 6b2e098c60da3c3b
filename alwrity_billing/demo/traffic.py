"""A customer's calls of one day, the same for the same customer and day whenever they are asked for."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from math import log
from random import Random

from alwrity_billing.demo.customers import Call, Customer
from usage.events import ReportedCost, Tags, Units, UsageData, UsageEvent

SEED = "ALwrity Billing demo"
SOURCE = "demo"
DAYS = 90
SATURDAY = 5

ERROR_PER_MILLE = 18
ERRORS = (
    (429, "Rate limit reached for requests per minute."),
    (500, "The server had an error while processing the request."),
    (503, "The model is overloaded, try again later."),
    (400, "The prompt is longer than the model's context window."),
)
SPREAD = 0.7
MAX_INPUT_TOKENS = 120_000
MAX_OUTPUT_TOKENS = 8_000
SPIKE_PERCENT = 80
# Exa states what a call cost; a search with the contents of its results costs more.
EXA_AMOUNTS = ("0.005", "0.005", "0.005", "0.015")


def calls_of(customer: Customer, *, days_ago: int, until: datetime) -> list[UsageEvent]:
    """The calls that `customer` made on the day `days_ago` before that of `until`, none after `until`."""
    day = until.astimezone(UTC).date() - timedelta(days=days_ago)
    # Each day has dice of its own, so that it comes out the same whatever was asked for before.
    dice = Random(f"{SEED} {customer.external_id} {day}")  # noqa: S311
    instants = sorted(_instant(dice, customer, day) for _ in range(_count(dice, customer, day, days_ago)))
    events = [
        _event(dice, customer, at=at, days_ago=days_ago, number=number)
        for number, at in enumerate(instants, start=1)
    ]
    return [event for event in events if event.time is not None and event.time <= until]


def _count(dice: Random, customer: Customer, day: date, days_ago: int) -> int:
    grown_percent = customer.started_percent + (100 - customer.started_percent) * (DAYS - days_ago) // DAYS
    calls = customer.calls_a_day * grown_percent * dice.randint(85, 115) // 10_000
    if day.weekday() >= SATURDAY:
        calls = calls * customer.weekend_percent // 100
    return calls * customer.spike.factor if _is_spike(customer, days_ago) and customer.spike else calls


def _is_spike(customer: Customer, days_ago: int) -> bool:
    return customer.spike is not None and customer.spike.days_ago == days_ago


def _instant(dice: Random, customer: Customer, day: date) -> datetime:
    (hour,) = dice.choices(range(24), weights=customer.hours)
    within = timedelta(hours=hour, milliseconds=dice.randrange(3_600_000))
    return datetime.combine(day, time(), tzinfo=UTC) + within


def _event(dice: Random, customer: Customer, *, at: datetime, days_ago: int, number: int) -> UsageEvent:
    call = _call(dice, customer, days_ago)
    team, project, _ = customer.teams[_weighted(dice, [weight for _, _, weight in customer.teams])]
    tags = Tags(team=team, project=project, department=customer.department)
    failed = dice.randrange(1_000) < ERROR_PER_MILLE
    return UsageEvent(
        id=f"{customer.external_id}-{at:%Y%m%d}-{number:04}",
        source=SOURCE,
        subject=customer.external_id,
        time=at,
        data=_failed(dice, call, tags=tags) if failed else _answered(dice, call, tags=tags),
    )


def _call(dice: Random, customer: Customer, days_ago: int) -> Call:
    if _is_spike(customer, days_ago) and customer.spike and dice.randrange(100) < SPIKE_PERCENT:
        return customer.spike.call
    return customer.mix[_weighted(dice, [weight for _, weight in customer.mix])][0]


def _answered(dice: Random, call: Call, *, tags: Tags) -> UsageData:
    input_tokens = _around(dice, call.input_tokens, MAX_INPUT_TOKENS) if call.input_tokens else None
    output_tokens = _around(dice, call.output_tokens, MAX_OUTPUT_TOKENS) if call.output_tokens else None
    cached = (input_tokens or 0) * dice.randint(0, call.cached_percent) // 100
    return UsageData(
        provider=call.provider,
        request_model=call.model,
        input_tokens=input_tokens,
        cached_input_tokens=cached or None,
        output_tokens=output_tokens,
        units=Units(**{call.unit: 1}) if call.unit else Units(),
        cost=_reported(dice, call),
        tags=tags,
        endpoint=call.endpoint,
        method="POST",
        request_type=call.request_type,
        response_time=round(dice.lognormvariate(log(call.seconds), SPREAD / 2), 3),
    )


def _failed(dice: Random, call: Call, *, tags: Tags) -> UsageData:
    status, message = dice.choice(ERRORS)
    return UsageData(
        provider=call.provider,
        request_model=call.model,
        tags=tags,
        endpoint=call.endpoint,
        method="POST",
        request_type=call.request_type,
        status_code=status,
        error_message=message,
        retry_count=dice.randint(0, 2),
        response_time=round(dice.uniform(0.1, 1.5), 3),
    )


def _reported(dice: Random, call: Call) -> ReportedCost | None:
    if call.provider != "exa":
        return None
    return ReportedCost(source="provider", amount=dice.choice(EXA_AMOUNTS))


def _around(dice: Random, middle: int, most: int) -> int:
    return min(most, 1 + int(dice.lognormvariate(log(middle), SPREAD)))


def _weighted(dice: Random, weights: Sequence[int]) -> int:
    return dice.choices(range(len(weights)), weights=weights)[0]
