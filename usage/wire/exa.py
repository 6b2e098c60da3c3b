"""Exa, once Metaphor: answers report their own cost in `costDollars`.

Agents, research and websets run as jobs whose cost their state tells later, any number of times. Their start
counts as one search; report what the job cost as an event whose id is the job's.
"""

from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from usage.core.money import COST_PLACES, format_amount
from usage.events import ReportedCost, Units
from usage.wire.base import Call, Reader, Reading, SentRequest
from usage.wire.bodies import SentAsItIs, decoded, object_of

SEARCHES = frozenset({"search", "findSimilar", "contents", "answer", "context"})
JOBS = frozenset({"research/v1", "research/v0/tasks", "agent/runs", "websets/v0/websets", "v0/websets"})
ONE_SEARCH = Units(searches=1)
# The finest amount an event can carry; JSON written from binary fractions can have more digits than that.
SMALLEST_AMOUNT = Decimal(1).scaleb(-COST_PLACES)
MOST_DOLLARS = 1_000_000_000


class _CostDollars(msgspec.Struct):
    # msgspec reads a JSON number into Decimal from its digits, not through a binary fraction.
    total: Decimal | None = None


class _Answer(msgspec.Struct, rename="camel"):
    cost_dollars: _CostDollars | None = None


_answers = msgspec.json.Decoder(_Answer)


class ExaWire(SentAsItIs):
    """Reads searches, contents and answers, streamed or not, and the start of jobs."""

    def call_of(self, request: SentRequest) -> Call | None:
        """One search per call; what it costs, only the answer says."""
        path = request.path.strip("/")
        if request.method != "POST" or path not in SEARCHES | JOBS:
            return None
        streaming = object_of(request.body).get("stream") is True
        operation = path if path in SEARCHES else "job"
        return Call(operation=operation, streaming=streaming, units=ONE_SEARCH)

    def reader(self, call: Call) -> Reader:
        """A reader of `costDollars.total`."""
        return ExaReader()


class ExaReader:
    """Keeps the last cost an answer reports; a stream says it at its end."""

    def __init__(self) -> None:
        self._cost: ReportedCost | None = None
        self._complete = False

    def whole(self, body: bytes) -> None:
        """Take the complete body."""
        self._take(body)
        self._complete = True

    def event(self, data: bytes) -> bool:
        """Take one event of a stream; the one with the cost is its last, save for a mark of the end."""
        self._take(data)
        self._complete = self._complete or self._cost is not None or data == b"[DONE]"
        return True

    def reading(self) -> Reading:
        """One search, and its cost where that was reported."""
        return Reading(units=ONE_SEARCH, cost=self._cost, complete=self._complete)

    def _take(self, data: bytes) -> None:
        answer = decoded(data, _answers)
        total = None if answer is None or answer.cost_dollars is None else answer.cost_dollars.total
        if total is not None and total.is_finite() and 0 <= total < MOST_DOLLARS:
            self._cost = ReportedCost(source="provider", amount=_text_of(total))


def _text_of(total: Decimal) -> str:
    fine = total.normalize().as_tuple().exponent
    exact = isinstance(fine, int) and fine >= -COST_PLACES
    return format_amount(total if exact else total.quantize(SMALLEST_AMOUNT, rounding=ROUND_HALF_EVEN))
