"""What stories of the ledger are made of: calls, wishes and limits, and how they are put to the database."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st

from tests.support import ledger_model
from tests.support.authorizing import a_limit
from tests.support.ledger_model import Amounts, Call, Limit
from usage.events import Tags, Units
from usage.limits import LimitState, LimitTerms
from usage.operations import Operation

MILLION = 1_000_000
# USD for a single unit, as `prepare` has them loaded.
INPUT, OUTPUT = Decimal("2.50") / MILLION, Decimal(10) / MILLION
UNIT_PRICES = {
    "searches": ("tavily", Decimal("0.001")),
    "pages": ("firecrawl", Decimal("0.002")),
    "images": ("stability", Decimal("0.04")),
}
COUNTED_IN = {provider: unit for unit, (provider, _) in UNIT_PRICES.items()}
AMOUNTS: dict[str, list[int | str]] = {
    "calls": [5, 8, 3, 2, 1, 0],
    "tokens": [5000, 9000, 2200, 1000, 0],
    "cost": ["0.02", "0.1", "0.005", "0.0035", "0"],
    "searches": [5, 2, 0],
    "images": [3, 1],
    "pages": [4, 1],
    "seconds": [4, "1.5", 0],
    "characters": [250, 100],
}
SCOPES = [
    ("everything", ""),
    ("kind", "llm"),
    ("kind", "search"),
    ("provider", "openai"),
    ("provider", "tavily"),
    ("model", "openai/gpt-4o"),
    ("request_type", "chat"),
    ("team", "blue"),
    ("project", "p"),
]
WINDOWS = ["request", "concurrent", "second", "minute", "hour", "day", "period"]
PASSING = [
    timedelta(milliseconds=250),
    timedelta(seconds=1),
    timedelta(seconds=20),
    timedelta(seconds=59),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=8),
    timedelta(days=1),
]


def amounts(call: Call, one: int, other: int) -> Amounts:
    """What a call consumes: tokens in and out of a language model, else units; and what that costs."""
    consumed = {name: Decimal(0) for name in ledger_model.MEASURES} | {"calls": Decimal(1)}
    if call.provider == "openai":
        return consumed | {"tokens": Decimal(one + other), "cost": one * INPUT + other * OUTPUT}
    unit = COUNTED_IN[call.provider]
    units = 1 + one // 1000
    return consumed | {
        unit: Decimal(units),
        "cost": units * UNIT_PRICES[unit][1],
        "seconds": Decimal(other) / 100,
        "characters": Decimal(other),
    }


def units_of(consumed: Amounts) -> Units:
    return Units(
        **{name: int(consumed[name]) for name in ("searches", "images", "pages", "characters")},
        seconds=str(consumed["seconds"]),
    )


CALLS = st.builds(
    Call,
    provider=st.sampled_from(["openai", "openai", "tavily", "firecrawl", "stability"]),
    model=st.just("gpt-4o"),
    request_type=st.sampled_from(["", "chat"]),
    team=st.sampled_from(["", "blue"]),
    project=st.sampled_from(["", "p"]),
) | st.builds(Call, model=st.just("gpt-mini"), team=st.sampled_from(["", "blue"]))
IN, OUT = st.sampled_from([0, 1000, 2000]), st.sampled_from([0, 50, 100, 300])
WISHES = st.lists(st.tuples(CALLS, st.integers(1, 4), IN, OUT), min_size=1, max_size=3)
TARGETS = st.sampled_from(["period", "period", "period", *WINDOWS])


@st.composite
def limit_sets(draw: st.DrawFn) -> list[Limit]:
    """Up to three limits of which no two count the same."""
    found = {}
    for _ in range(draw(st.integers(1, 3))):
        window = draw(TARGETS)
        measures = ["calls"] if window == "concurrent" else [*AMOUNTS, "calls", "cost"]
        measure = draw(st.sampled_from(measures))
        scope, value = draw(st.sampled_from(SCOPES))
        mode = draw(st.sampled_from(["block", "block", "block", "bill", "notify"]))
        amount = draw(st.sampled_from([*AMOUNTS[measure], None]))
        limit = Limit("", measure, scope, value, window, mode, None if amount is None else Decimal(amount))
        found[limit.key] = limit
    return list(found.values())


def operation_of(call: Call, calls: int, one: int, other: int) -> Operation:
    is_llm = call.provider == "openai"
    return Operation(
        provider=call.provider,
        model=call.model,
        request_type=call.request_type,
        tags=Tags(team=call.team, project=call.project),
        calls=calls,
        input_tokens=one if is_llm else None,
        max_output_tokens=other if is_llm else None,
        units=Units() if is_llm else units_of(amounts(call, one, other)),
    )


def name_of(key: tuple[str, ...]) -> str:
    return "/".join(key)


def terms_of(limit: Limit) -> LimitTerms:
    return a_limit(
        None if limit.amount is None else str(limit.amount),
        limit.measure,
        limit.window,
        scope=limit.scope,
        value=limit.value,
        mode=limit.mode,
        name=name_of(limit.key),
    )


def key_of(state: LimitState) -> tuple[str, ...]:
    return (state.source, state.measure, state.scope, state.scope_value, state.window)
