"""Tavily: every credit is one search (docs.tavily.com/documentation/api-credits)."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from usage.events import Units
from usage.wire.base import Call, Reader, SentRequest
from usage.wire.bodies import SentAsItIs, UnitsReader, count_of, decoded, list_in, object_of

# A credit pays five extracted pages, or ten mapped ones; asking for depth or giving instructions doubles it.
PAGES_EXTRACTED = 5
PAGES_MAPPED = 10
# What a crawl or map visits when the request sets no `limit`.
PAGES_BY_DEFAULT = 50
# The least and the most a research task costs, by its model.
RESEARCH = {"mini": (4, 110), "pro": (15, 250)}
RESEARCH_BY_DEFAULT = (4, 250)


@dataclass(frozen=True, slots=True, kw_only=True)
class TavilyCall(Call):
    """A call with the credits it takes: a fixed number, or by started five pages extracted, ten mapped.

    `least` is what it costs when its answer says nothing at all.
    """

    fixed: int = 0
    extracting: int = 0
    mapping: int = 0
    least: int = 1


class _Usage(msgspec.Struct):
    credits: Decimal | None = None


class _Chosen(msgspec.Struct):
    search_depth: str = ""


class _Answer(msgspec.Struct):
    usage: _Usage | None = None
    auto_parameters: _Chosen | None = None
    results: list[msgspec.Raw] | None = None


_answers = msgspec.json.Decoder(_Answer)


class TavilyWire(SentAsItIs):
    """Reads search, extract, crawl, map, and the start of a research task."""

    def call_of(self, request: SentRequest) -> Call | None:
        """What a request asks for, in searches."""
        if request.method != "POST":
            return None
        body = object_of(request.body)
        match request.path.strip("/"):
            case "search":
                return _search(body)
            case "extract":
                urls = body.get("urls")
                return _visit(
                    "extract", pages=len(list_in(urls)) or 1, extracting=_depth(body, "extract_depth")
                )
            case "map":
                return _visit("map", pages=_limit(body), mapping=_instructed(body))
            case "crawl":
                depth = _depth(body, "extract_depth")
                return _visit("crawl", pages=_limit(body), extracting=depth, mapping=_instructed(body))
            case "research":
                least, most = RESEARCH.get(str(body.get("model")), RESEARCH_BY_DEFAULT)
                streaming = body.get("stream") is True
                return TavilyCall(
                    operation="research", streaming=streaming, units=Units(searches=most), least=least
                )
        return None

    def reader(self, call: Call) -> Reader:
        """A reader of the credits; a research task that does not say counts as the least one costs."""
        asked = call if isinstance(call, TavilyCall) else TavilyCall(operation=call.operation, fixed=1)
        return UnitsReader(lambda body: _units(body, asked), unsaid=Units(searches=asked.least))


def _search(body: dict[str, Any]) -> Call:
    """One credit, two for an advanced search; automatic parameters may choose an advanced one."""
    depth = _depth(body, "search_depth")
    may_deepen = body.get("auto_parameters") is True and "search_depth" not in body
    return TavilyCall(
        operation="search", units=Units(searches=2 if may_deepen else depth), fixed=depth, least=depth
    )


def _visit(operation: str, *, pages: int, extracting: int = 0, mapping: int = 0) -> Call:
    most = _credits(pages, extracting=extracting, mapping=mapping)
    return TavilyCall(
        operation=operation,
        units=Units(searches=most),
        extracting=extracting,
        mapping=mapping,
        least=min(1, most),
    )


def _credits(pages: int, *, extracting: int, mapping: int) -> int:
    return extracting * math.ceil(pages / PAGES_EXTRACTED) + mapping * math.ceil(pages / PAGES_MAPPED)


def _depth(body: dict[str, Any], field: str) -> int:
    return 2 if body.get(field) == "advanced" else 1


def _instructed(body: dict[str, Any]) -> int:
    return 2 if body.get("instructions") else 1


def _limit(body: dict[str, Any]) -> int:
    limit = count_of(body.get("limit"))
    return PAGES_BY_DEFAULT if limit is None else limit


def _units(body: bytes, call: TavilyCall) -> Units | None:
    """The credits the answer says, else those of what it brought."""
    answer = decoded(body, _answers)
    if answer is None:
        return None
    if answer.usage is not None and answer.usage.credits is not None and answer.usage.credits >= 0:
        return Units(searches=math.ceil(answer.usage.credits))
    if call.fixed:
        deepened = answer.auto_parameters is not None and answer.auto_parameters.search_depth == "advanced"
        return Units(searches=2 if deepened else call.fixed)
    if answer.results is None:
        return None
    return Units(searches=_credits(len(answer.results), extracting=call.extracting, mapping=call.mapping))
