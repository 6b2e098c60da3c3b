import pytest

from tests.support.wires import answered, call, posted, streamed
from usage.events import Units
from usage.wire.base import Reading, SentRequest
from usage.wire.tavily import TavilyWire

WIRE = TavilyWire()
PAGE = {"url": "https://example.org", "raw_content": "…"}


def sent(what: str, **body: object) -> SentRequest:
    return posted(f"/{what}", body)


@pytest.mark.parametrize(
    ("request_", "searches"),
    [
        (sent("search", query="q"), 1),
        (sent("search", query="q", search_depth="basic"), 1),
        (sent("search", query="q", search_depth="advanced"), 2),
        (sent("search", query="q", auto_parameters=True), 2),
        (sent("search", query="q", auto_parameters=True, search_depth="basic"), 1),
        (sent("extract", urls="https://a.example"), 1),
        (sent("extract", urls=["u"] * 5), 1),
        (sent("extract", urls=["u"] * 6, extract_depth="advanced"), 2 * 2),
        (sent("map", url="u", limit=21), 3),
        (sent("map", url="u", limit=21, instructions="docs"), 3 * 2),
        (sent("crawl", url="u", limit=20), 2 + 4),
        # Fifty pages when the request does not say.
        (sent("crawl", url="u"), 5 + 10),
        (sent("research", input="i", model="mini"), 110),
        (sent("research", input="i"), 250),
    ],
)
def test_credits_are_held_as_searches(request_: SentRequest, searches: int) -> None:
    assert call(WIRE, request_).units == Units(searches=searches)


@pytest.mark.parametrize("path", ["/feedback", "/usage", "/research/abc"])
def test_other_paths_are_not_metered(path: str) -> None:
    assert WIRE.call_of(posted(path, {})) is None
    assert WIRE.call_of(SentRequest(method="GET", path=path)) is None


@pytest.mark.parametrize(
    ("request_", "answer", "searches"),
    [
        (sent("search", query="q"), {"results": [PAGE] * 3}, 1),
        (sent("search", query="q", search_depth="advanced"), {"results": []}, 2),
        (
            sent("search", query="q", auto_parameters=True),
            {"auto_parameters": {"search_depth": "advanced"}},
            2,
        ),
        (sent("search", query="q", auto_parameters=True), {"auto_parameters": {"topic": "news"}}, 1),
        (sent("search", query="q", include_usage=True), {"results": [], "usage": {"credits": 2}}, 2),
        (sent("extract", urls=["u"] * 7), {"results": [PAGE] * 6, "failed_results": [{"url": "u"}]}, 2),
        (sent("extract", urls=["u"]), {"results": [], "failed_results": [{"url": "u"}]}, 0),
        (sent("map", url="u"), {"results": ["https://a.example"] * 12}, 2),
        (sent("crawl", url="u"), {"results": [PAGE] * 11}, 2 + 3),
        (sent("research", input="i"), {"status": "completed", "usage": {"credits": 38}}, 38),
    ],
)
def test_an_answer_counts_what_it_brought(request_: SentRequest, answer: object, searches: int) -> None:
    assert answered(WIRE, request_, answer) == Reading(units=Units(searches=searches))


def test_a_research_task_that_does_not_say_counts_as_the_least_one_costs() -> None:
    reading = answered(WIRE, sent("research", input="i", model="pro"), b"<html>")

    assert (reading.units, reading.estimated) == (Units(searches=15), True)


def test_the_start_of_a_research_task_is_estimated() -> None:
    reading = answered(
        WIRE, sent("research", input="i", model="pro"), {"request_id": "r", "status": "pending"}
    )

    assert (reading.units, reading.estimated) == (Units(searches=15), True)


def test_a_streamed_research_task_says_its_credits_at_the_end() -> None:
    request = sent("research", input="i", model="mini", stream=True)
    words = {"choices": [{"delta": {"content": "Salt"}}]}

    assert call(WIRE, request).streaming
    assert streamed(WIRE, request, words, {"usage": {"credits": 9}}) == Reading(units=Units(searches=9))
    assert streamed(WIRE, request, words) == Reading(units=Units(searches=4), estimated=True, complete=False)


def test_an_answer_that_never_came_is_a_search_all_the_same() -> None:
    reader = WIRE.reader(call(WIRE, sent("search", query="q", search_depth="advanced")))

    assert reader.reading() == Reading(units=Units(searches=2), estimated=True, complete=False)


@pytest.mark.parametrize("body", [b"", b"no json", b'{"results": 3}'])
def test_unreadable_bodies_are_one_search(body: bytes) -> None:
    assert call(WIRE, posted("/search", body)).units == Units(searches=1)
    assert answered(WIRE, sent("search", query="q"), body).units == Units(searches=1)


def test_bodies_are_sent_as_they_are() -> None:
    request = sent("search", query="q")

    assert WIRE.prepared(request, call(WIRE, request), output_cap=None) is request.body
