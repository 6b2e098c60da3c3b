"""Serper: every credit is one search; an answer says how many its query took."""

from typing import Any
from urllib.parse import parse_qs

import msgspec

from usage.events import Count, Units
from usage.wire.base import Call, Reader, SentRequest
from usage.wire.bodies import SentAsItIs, UnitsReader, count_of, decoded, object_in

# Paths that search nothing and cost nothing.
FREE = frozenset({"account", "health"})
# Scraping has a host of its own and no path.
SCRAPING = "webpage"
# Credits that a query is held for where they are more than one; asking for more than ten results doubles
# those of any other. What the answer says decides.
CREDITS = {"shopping": 2, SCRAPING: 2, "maps": 3, "lens": 3}
RESULTS_OF_A_CREDIT = 10


class _Answer(msgspec.Struct):
    credits: Count | None = None


_queries = msgspec.json.Decoder(dict[str, Any] | list[Any])
_answers = msgspec.json.Decoder(_Answer | list[_Answer])


class SerperWire(SentAsItIs):
    """Reads searches of every kind, sent by POST (one query, or a batch of them) or by GET."""

    def call_of(self, request: SentRequest) -> Call | None:
        """What a request asks for, in searches."""
        kind = request.path.strip("/") or SCRAPING
        asks = request.method == "POST" or (request.method == "GET" and request.query)
        if not asks or kind in FREE:
            return None
        queries = _queries_of(request)
        return Call(operation="search", units=Units(searches=sum(_most(kind, query) for query in queries)))

    def reader(self, call: Call) -> Reader:
        """A reader of `credits`, summed over a batch."""
        return UnitsReader(_units, unsaid=call.units)


def _queries_of(request: SentRequest) -> list[dict[str, Any]]:
    """The queries of a request; one without a field where nothing can be read."""
    if request.method == "GET":
        return [{name: values[-1] for name, values in parse_qs(request.query).items()}]
    body = decoded(request.body, _queries)
    return [object_in(query) for query in body] if isinstance(body, list) else [body or {}]


def _most(kind: str, query: dict[str, Any]) -> int:
    results = count_of(query.get("num")) or RESULTS_OF_A_CREDIT
    return CREDITS.get(kind, 1 if results <= RESULTS_OF_A_CREDIT else 2)


def _units(body: bytes) -> Units | None:
    answer = decoded(body, _answers)
    answers = answer if isinstance(answer, list) else [answer]
    credits = [one.credits for one in answers if one is not None and one.credits is not None]
    return Units(searches=sum(credits)) if credits else None
