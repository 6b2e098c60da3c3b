"""What the responses API says was consumed."""

from typing import Any

from tests.support.openai_shapes import MODEL, read_events, read_whole
from usage.events import Units
from usage.wire.base import Reading

PATH = "/v1/responses"
ASKED = {"model": MODEL, "input": "How high is Mont Blanc?"}
STREAM = {**ASKED, "stream": True}
USAGE = {
    "input_tokens": 75,
    "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8},
    "output_tokens": 1_186,
    "output_tokens_details": {"reasoning_tokens": 1_024},
    "total_tokens": 1_261,
}
TEXT = {"type": "output_text", "text": "It is 4 806 m.", "annotations": []}
MESSAGE = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [TEXT]}
SAID = Reading(
    response_model=MODEL,
    input_tokens=75,
    cached_input_tokens=64,
    cache_write_tokens=8,
    output_tokens=1_186,
    reasoning_tokens=1_024,
)
CREATED = {"type": "response.created", "response": {"status": "in_progress", "model": MODEL, "usage": None}}


def response(**fields: object) -> dict[str, Any]:
    return {
        "object": "response",
        "status": "completed",
        "model": MODEL,
        "output": [MESSAGE],
        "usage": USAGE,
    } | fields


def event(kind: str, **fields: object) -> dict[str, Any]:
    return {"type": f"response.{kind}", "response": response(**fields)}


def delta(text: str, *, kind: str = "output_text") -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": 0, "delta": text}


def test_a_whole_response_says_its_usage() -> None:
    assert read_whole(PATH, ASKED, response()) == SAID


def test_a_stream_says_its_usage_when_it_is_completed() -> None:
    reading, seen = read_events(PATH, STREAM, [CREATED, delta("It is"), event("completed")])

    assert (reading, seen) == (SAID, [True, True, True])


def test_a_stream_cut_at_its_cap_says_its_usage_too() -> None:
    reading, _ = read_events(PATH, STREAM, [CREATED, event("incomplete", status="incomplete")])

    assert reading == SAID


def test_a_response_that_failed_without_usage_was_not_charged() -> None:
    failed = event("failed", status="failed", usage=None, output=[])

    reading, _ = read_events(PATH, STREAM, [CREATED, delta("It"), failed])

    assert reading == Reading(response_model=MODEL)


def test_a_stream_that_breaks_off_is_estimated_from_what_was_seen() -> None:
    events = [CREATED, delta("Alps.", kind="reasoning_summary_text"), delta("It is 4 806 m.")]

    reading, _ = read_events(PATH, STREAM, events)

    assert reading == Reading(
        response_model=MODEL,
        input_tokens=8,  # 23 bytes
        output_tokens=7,  # 5 + 14 bytes
        estimated=True,
        complete=False,
    )


def test_sound_in_a_stream_is_not_text() -> None:
    reading, _ = read_events(PATH, STREAM, [CREATED, delta("UklGRg" * 50, kind="audio")])

    assert reading.output_tokens == 0


def test_a_response_without_usage_is_estimated_from_its_items() -> None:
    reading = read_whole(PATH, ASKED, response(usage=None))

    assert (reading.output_tokens, reading.estimated, reading.complete) == (5, True, True)


def test_a_response_that_goes_on_in_the_background_is_estimated_at_its_cap() -> None:
    """Its usage is only told to whoever fetches it later, which need not come this way."""
    queued = response(status="queued", background=True, max_output_tokens=2_000, output=[], usage=None)

    reading = read_whole(PATH, {**ASKED, "background": True}, queued)

    assert (reading.input_tokens, reading.output_tokens, reading.estimated) == (8, 2_000, True)


def test_searches_are_counted_and_opened_pages_are_not() -> None:
    actions = [
        {"type": "search", "query": "q"},
        {"type": "open_page", "url": "u"},
        {"type": "search", "query": "r"},
    ]
    calls = [{"type": "web_search_call", "status": "completed", "action": action} for action in actions]

    whole = read_whole(PATH, ASKED, response(output=[*calls, MESSAGE]))
    broken, _ = read_events(
        PATH, STREAM, [{"type": "response.output_item.done", "item": item} for item in calls]
    )
    done, _ = read_events(
        PATH,
        STREAM,
        [{"type": "response.output_item.done", "item": calls[0]}, event("completed", output=calls)],
    )

    assert whole.units == broken.units == done.units == Units(searches=2)
