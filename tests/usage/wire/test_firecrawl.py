import pytest

from tests.support.wires import answered, call, posted
from usage.events import Units
from usage.wire.base import Reading, SentRequest
from usage.wire.firecrawl import FirecrawlWire

WIRE = FirecrawlWire()
URL = {"url": "https://example.org"}
LINK = {"url": "https://example.org", "title": "Example"}
SCRAPED = LINK | {"markdown": "# Example"}


def sent(what: str, **body: object) -> SentRequest:
    return posted(f"/v2/{what}", body)


@pytest.mark.parametrize(
    ("request_", "pages"),
    [
        (sent("scrape", **URL), 1),
        (posted("/v1/scrape", URL), 1),
        (sent("map", **URL), 1),
        (sent("search", query="q"), 2),
        (sent("search", query="q", limit=11), 4),
        (sent("search", query="q", limit=5, sources=["web", "news"]), 2),
        (sent("search", query="q", limit=5, scrapeOptions={"formats": ["markdown"]}), 2 + 5),
        (sent("batch/scrape", urls=["u"] * 7), 7),
        (sent("crawl", limit=50, **URL), 50),
        (posted("/v1/crawl", URL), 10_000),
        (sent("agent", prompt="p", maxCredits=100), 100),
    ],
)
def test_pages_are_held_at_most(request_: SentRequest, pages: int) -> None:
    assert call(WIRE, request_).units == Units(pages=pages)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2/crawl/123"), ("DELETE", "/v2/crawl/123"), ("GET", "/v2/batch/scrape/123"),
     ("GET", "/v2/team/credit-usage"), ("POST", "/v2/crawl/params-preview")],
)  # fmt: skip
def test_the_state_of_a_job_is_not_metered(method: str, path: str) -> None:
    assert WIRE.call_of(SentRequest(method=method, path=path)) is None


@pytest.mark.parametrize(
    ("request_", "answer", "pages"),
    [
        (sent("scrape", **URL), {"success": True, "data": SCRAPED | {"metadata": {"creditsUsed": 5}}}, 5),
        (sent("scrape", **URL), {"success": True, "data": SCRAPED}, 1),
        (sent("scrape", **URL), {"success": False, "error": "blocked"}, 0),
        (sent("map", **URL), {"success": True, "links": [LINK] * 300}, 1),
        (sent("search", query="q"), {"success": True, "data": {"web": [LINK]}, "creditsUsed": 4}, 4),
        (sent("search", query="q"), {"success": True, "data": {"web": [LINK] * 8, "news": [LINK] * 3}}, 4),
        (posted("/v1/search", {"query": "q"}), {"success": True, "data": [SCRAPED] * 3}, 2 + 3),
        (sent("batch/scrape", urls=["u"] * 7), {"success": True, "id": "j", "invalidURLs": ["u"]}, 6),
        (sent("extract", urls=["u"]), {"success": True, "creditsUsed": 15}, 15),
    ],
)
def test_an_answer_counts_its_pages(request_: SentRequest, answer: object, pages: int) -> None:
    assert answered(WIRE, request_, answer) == Reading(units=Units(pages=pages))


def test_the_start_of_a_crawl_counts_as_the_least_it_can_cost() -> None:
    started = {"success": True, "id": "123", "url": "https://api.firecrawl.dev/v2/crawl/123"}

    assert answered(WIRE, sent("crawl", limit=50, **URL), started) == Reading(
        units=Units(pages=1), estimated=True
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"creditsUsed": -4}', b"\xff"])
def test_an_answer_nobody_can_read_is_a_page(body: bytes) -> None:
    assert answered(WIRE, sent("search", query="q"), body) == Reading(units=Units(pages=1), estimated=True)


@pytest.mark.parametrize("body", [b"", b"no json", b"[]"])
def test_an_unreadable_request_is_held_at_its_defaults_and_sent_as_it_is(body: bytes) -> None:
    request = posted("/v2/crawl", body)

    assert call(WIRE, request).units == Units(pages=10_000)
    assert WIRE.prepared(request, call(WIRE, request), output_cap=None) is body
