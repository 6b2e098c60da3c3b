import pytest

from tests.support.wires import answered, call, posted, streamed
from usage.events import ReportedCost, Units
from usage.wire.base import Reading, SentRequest
from usage.wire.exa import ExaWire

WIRE = ExaWire()
ONE = Units(searches=1)
SEARCH = posted("/search", {"query": "q", "contents": {"text": True}})
ANSWER = posted("/answer", {"query": "q", "stream": True})


def costing(total: str) -> bytes:
    return (
        b'{"requestId":"r","results":[],"costDollars":{"total":%b,"search":{"neural":0.005}}}'
        % total.encode()
    )


def reported(amount: str) -> Reading:
    return Reading(units=ONE, cost=ReportedCost(source="provider", amount=amount))


@pytest.mark.parametrize("path", ["/search", "/findSimilar", "/contents", "/answer"])
def test_a_call_is_one_search(path: str) -> None:
    asked = call(WIRE, posted(path, {"query": "q"}))

    assert (asked.operation, asked.units, asked.streaming) == (path[1:], ONE, False)


@pytest.mark.parametrize("path", ["/research/v1", "/agent/runs"])
def test_the_start_of_a_job_is_one_search(path: str) -> None:
    assert call(WIRE, posted(path, {})).units == ONE


@pytest.mark.parametrize(
    "request_",
    [
        SentRequest(method="GET", path="/research/v1/r_1"),
        posted("/agent/runs/r_1/cancel", {}),
        posted("/monitors", {}),
    ],
)
def test_the_state_of_a_job_is_not_metered(request_: SentRequest) -> None:
    assert WIRE.call_of(request_) is None


@pytest.mark.parametrize(
    ("total", "amount"),
    [
        ("0.005", "0.005"),
        ("0.010000000000000002", "0.010000000000000002"),
        ("1.5e-7", "0.00000015"),
        ("0", "0"),
        ("12", "12"),
        # Finer than an event carries: half-even at the eighteenth decimal.
        ("0.0050000000000000001", "0.005"),
        ("1e-400", "0"),
    ],
)
def test_the_reported_cost_is_taken_digit_by_digit(total: str, amount: str) -> None:
    assert answered(WIRE, SEARCH, costing(total)) == reported(amount)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"results":[]}', b'{"costDollars":{}}',
     costing("-1"), costing("1e12"), costing('"NaN"'), costing("1e999999"), b"\xff"],
)  # fmt: skip
def test_without_a_cost_that_can_be_one_search_is_left_to_the_price_book(body: bytes) -> None:
    assert answered(WIRE, SEARCH, body) == Reading(units=ONE)


def test_a_streamed_answer_says_its_cost_at_the_end() -> None:
    words = {"choices": [{"delta": {"content": "Paris"}}]}
    cited = {"citations": [{"id": "1", "url": "https://example.org"}]}

    assert streamed(WIRE, ANSWER, words, cited, costing("0.005")) == reported("0.005")
    assert streamed(WIRE, ANSWER, words, b"[DONE]") == Reading(units=ONE)
    assert streamed(WIRE, ANSWER, words) == Reading(units=ONE, complete=False)
    assert call(WIRE, ANSWER).streaming


def test_bodies_are_sent_as_they_are() -> None:
    assert WIRE.prepared(SEARCH, call(WIRE, SEARCH), output_cap=None) is SEARCH.body
