import pytest

from tests.support.wires import answered, call, posted
from usage.events import Units
from usage.wire.base import Reading, SentRequest
from usage.wire.serper import SerperWire

WIRE = SerperWire()
ANSWER = {
    "searchParameters": {"q": "apple", "type": "search"},
    "organic": [{"title": "Apple", "position": 1}],
}


@pytest.mark.parametrize(
    ("request_", "searches"),
    [
        (posted("/search", {"q": "apple"}), 1),
        (posted("/search", {"q": "apple", "num": 10}), 1),
        (posted("/search", {"q": "apple", "num": 11}), 2),
        (posted("/images", {"q": "apple"}), 1),
        (posted("/maps", {"q": "cafés"}), 3),
        (posted("/news", [{"q": "a"}, {"q": "b", "num": 100}]), 1 + 2),
        (SentRequest(method="GET", path="/search", query="q=apple&num=20&apiKey=k"), 2),
        # Scraping is a host of its own, without a path.
        (posted("/", {"url": "https://example.org"}), 2),
    ],
)
def test_credits_are_held_as_searches(request_: SentRequest, searches: int) -> None:
    assert call(WIRE, request_).units == Units(searches=searches)


@pytest.mark.parametrize(("method", "path"), [("GET", "/account"), ("GET", "/"), ("OPTIONS", "/search")])
def test_what_searches_nothing_is_not_metered(method: str, path: str) -> None:
    assert WIRE.call_of(SentRequest(method=method, path=path)) is None


def test_an_answer_says_its_credits() -> None:
    assert answered(WIRE, posted("/search", {"q": "a"}), ANSWER | {"credits": 2}) == Reading(
        units=Units(searches=2)
    )


def test_the_credits_of_a_batch_add_up() -> None:
    request = posted("/search", [{"q": "a"}, {"q": "b"}])

    assert answered(WIRE, request, [ANSWER | {"credits": 1}] * 2) == Reading(units=Units(searches=2))


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"credits": -1}', b'{"organic": []}', b"[]"])
def test_an_answer_that_does_not_say_is_what_was_asked(body: bytes) -> None:
    reading = answered(WIRE, posted("/search", {"q": "a", "num": 50}), body)

    assert (reading.units, reading.estimated) == (Units(searches=2), True)


def test_an_answer_that_broke_off_is_what_was_asked() -> None:
    reader = WIRE.reader(call(WIRE, posted("/search", {"q": "a"})))

    assert reader.reading() == Reading(units=Units(searches=1), estimated=True, complete=False)


@pytest.mark.parametrize("body", [b"", b"no json", b"3", b"[1]"])
def test_an_unreadable_request_is_one_search_and_sent_as_it_is(body: bytes) -> None:
    request = posted("/search", body)

    assert call(WIRE, request).units == Units(searches=1)
    assert WIRE.prepared(request, call(WIRE, request), output_cap=None) is body
