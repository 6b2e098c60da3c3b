"""Firecrawl: every credit is one page (docs.firecrawl.dev/billing).

A crawl is a job: its start says nothing of what it will cost, its state tells `creditsUsed` each time it is
asked, and no single answer knows whether it is the first to say "completed". So that nothing counts twice,
asking for a job's state is not metered. Its start is held at the pages it may fetch at most and counts as the
least it can cost, marked estimated. Report the rest as an event whose id is the job's id.
"""

import math
import re
from typing import Any

import msgspec

from usage.events import Count, Units
from usage.wire.base import Call, Reader, SentRequest
from usage.wire.bodies import (
    NOTHING,
    SentAsItIs,
    UnitsReader,
    count_of,
    decoded,
    list_in,
    object_in,
    object_of,
)

# A search costs two credits for ten results begun, and one for every result that is scraped as well.
RESULTS_OF_A_SEARCH = 10
SEARCH_PAGES = 2
ONE_PAGE = Units(pages=1)
# Jobs of unknown size: the field that bounds them, and the API's bound when it is left out.
JOBS = {
    "crawl": ("limit", 10_000),
    "agent": ("maxCredits", 2_500),
    "deep-research": ("maxUrls", 20),
    "llmstxt": ("maxUrls", 10),
}

_PATH = re.compile(r"/v\d+/(?P<what>[a-z/-]+?)/?")


class _Answer(msgspec.Struct, rename="camel"):
    success: bool | None = None
    credits_used: Count | None = None
    invalid_urls: list[msgspec.Raw] | None = msgspec.field(name="invalidURLs", default=None)
    data: msgspec.Raw = NOTHING


_answers = msgspec.json.Decoder(_Answer)


class FirecrawlWire(SentAsItIs):
    """Reads scrape, map, search and batches of scrapes, and the start of jobs."""

    def call_of(self, request: SentRequest) -> Call | None:
        """What a request asks for, in pages at most."""
        path = _PATH.fullmatch(request.path)
        if request.method != "POST" or path is None:
            return None
        what, body = path["what"], object_of(request.body)
        if what in ("scrape", "parse", "map"):
            return Call(operation=what, units=ONE_PAGE)
        if what == "search":
            return Call(operation="search", units=Units(pages=_search_pages(body)))
        if what in ("batch/scrape", "extract"):
            return Call(operation=what, units=Units(pages=len(list_in(body.get("urls"))) or 1))
        if what in JOBS:
            field, default = JOBS[what]
            asked = count_of(body.get(field))
            return Call(operation=what, units=Units(pages=default if asked is None else asked))
        return None

    def reader(self, call: Call) -> Reader:
        """A reader of the pages of a call of this operation."""
        unsaid = call.units if call.operation in ("batch/scrape", "extract") else ONE_PAGE
        return UnitsReader(lambda body: _units(body, call), unsaid=unsaid)


def _search_pages(body: dict[str, Any]) -> int:
    limit = count_of(body.get("limit"))
    results = (RESULTS_OF_A_SEARCH if limit is None else limit) * max(1, len(list_in(body.get("sources"))))
    scraped = results if object_in(body.get("scrapeOptions")).get("formats") else 0
    return SEARCH_PAGES * math.ceil(results / RESULTS_OF_A_SEARCH) + scraped


def _units(body: bytes, call: Call) -> Units | None:
    answer = decoded(body, _answers)
    if answer is None:
        return None
    if answer.success is False:
        return Units(pages=0)
    if call.operation in ("scrape", "parse", "map"):
        metadata = object_in(object_in(decoded(bytes(answer.data), _results)).get("metadata"))
        credits_used = metadata.get("creditsUsed")
        return Units(pages=credits_used) if isinstance(credits_used, int) and credits_used > 0 else ONE_PAGE
    if answer.credits_used is not None:
        return Units(pages=answer.credits_used)
    if call.operation == "batch/scrape":
        return Units(pages=max(0, (call.units.pages or 0) - len(answer.invalid_urls or ())))
    return _found(bytes(answer.data)) if call.operation == "search" else None


def _found(data: bytes) -> Units:
    """What a search costs that brought these results: a list, or lists by source."""
    found = decoded(data, _results)
    results = (
        found
        if isinstance(found, list)
        else [one for many in (found or {}).values() for one in list_in(many)]
    )
    scraped = sum("markdown" in object_in(result) or "html" in object_in(result) for result in results)
    return Units(pages=SEARCH_PAGES * math.ceil(len(results) / RESULTS_OF_A_SEARCH) + scraped)


_results = msgspec.json.Decoder(list[Any] | dict[str, Any])
