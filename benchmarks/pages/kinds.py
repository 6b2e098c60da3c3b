"""What the calls of the year are: every kind is a row that calls copy, rated exactly as recording would."""

import json
import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from benchmarks.workload import CALLS, Call
from usage import pricebook
from usage.core.rating import FREE, Price, Quantities, rate

# Of each call so many variants; the last one failed, so that three of a hundred calls do.
VARIANTS = 32
# Whom calls were made for. With the calls above an account has these COMBINATIONS of dimensions.
COMBINATIONS = 20
TAGS = (
    {"team": "content", "project": "blog", "department": "marketing", "end_user": "ada"},
    {"team": "content", "project": "newsletter", "department": "marketing", "end_user": "grace"},
    {"team": "research", "project": "reports", "department": "product", "end_user": "alan"},
    {"team": "research", "project": "reports", "department": "product", "end_user": "edsger"},
    {"team": "support", "project": "answers", "department": "operations", "end_user": "barbara"},
    {"team": "support", "project": "answers", "department": "operations", "end_user": "donald"},
    {"team": "platform", "project": "", "department": "", "end_user": "ken"},
    {"team": "", "project": "", "department": "", "end_user": ""},
)


def kinds(*, at: datetime) -> str:
    """All variants of all calls as JSON, one object each, at the prices in force at `at`; needs a book."""
    draw, book = random.Random("kinds of calls"), pricebook.current_book()
    return json.dumps([kind for call in CALLS for kind in _variants(call, draw, book, at)])


def tags() -> str:
    """The same of TAGS."""
    return json.dumps([{"place": place, **tag} for place, tag in enumerate(TAGS)])


def _variants(
    call: Call, draw: random.Random, book: pricebook.PriceBook, at: datetime
) -> Iterator[dict[str, Any]]:
    price = book.find(call.provider, call.model, at=at)
    first = CALLS.index(call) * VARIANTS
    for place in range(first, first + VARIANTS):
        failed = place == first + VARIANTS - 1
        quantities = Quantities() if failed else _drawn(call, draw)
        yield {
            "place": place,
            "provider": call.provider,
            "model": call.model,
            "endpoint": call.endpoint,
            "request_type": call.operation,
            "status_code": 429 if failed else 200,
            "response_time_ms": draw.randrange(200, 9_000),
            **{name: amount for name, amount in quantities._asdict().items() if amount},
            **_costs(quantities, price, failed=failed),
        }


def _drawn(call: Call, draw: random.Random) -> Quantities:
    if call.input_tokens:
        stated = draw.randint(call.input_tokens // 10, call.input_tokens)
        return Quantities(
            input_tokens=stated,
            cached_input_tokens=draw.choice((0, 0, stated // 2)),
            output_tokens=draw.randint(call.output_tokens // 10, call.output_tokens),
        )
    return Quantities(images=1) if call.units else Quantities(searches=1)


def _costs(quantities: Quantities, price: Price, *, failed: bool) -> dict[str, Any]:
    cost = FREE if failed else rate(quantities, price)
    amounts = {"cost_input": cost.input, "cost_output": cost.output, "cost": cost.total}
    return {"price": None if failed else price.id, **{name: str(sum_) for name, sum_ in amounts.items()}}
