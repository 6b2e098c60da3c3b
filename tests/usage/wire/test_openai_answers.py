"""What chats and completions say was consumed, whole and as streams, and what is estimated otherwise."""

import pytest

from tests.support.openai_shapes import (
    CHAT,
    OPENAI,
    QUESTION,
    call,
    chunk,
    read_events,
    read_whole,
    usage_chunk,
)
from usage.events import Units
from usage.wire.base import Reading
from usage.wire.openai_answers import Tokens, tokens_of

USAGE: dict[str, object] = {
    "prompt_tokens": 1_200,
    "completion_tokens": 350,
    "total_tokens": 1_550,
    "prompt_tokens_details": {"cached_tokens": 1_024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 320, "accepted_prediction_tokens": 0},
}
ANSWER = {
    "id": "chatcmpl-1",
    "model": "gpt-6-sol-2026-09-01",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "4 806 m"}, "finish_reason": "stop"}
    ],
    "usage": USAGE,
}
SAID = Reading(
    response_model="gpt-6-sol-2026-09-01",
    input_tokens=1_200,
    cached_input_tokens=1_024,
    output_tokens=350,
    reasoning_tokens=320,
)
STREAM = {**QUESTION, "stream": True}
# 3 tokens of marks, and 23 bytes of question at three bytes a token.
ABOUT_INPUT = 3 + 8


def test_a_whole_answer_says_its_usage() -> None:
    assert read_whole(CHAT, QUESTION, ANSWER) == SAID


def test_a_stream_says_its_usage_in_a_last_chunk_that_the_caller_does_not_see() -> None:
    events = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "4 806"}),
        chunk({"content": " m"}, finish_reason="stop"),
        usage_chunk(USAGE),
        "[DONE]",
    ]

    reading, seen = read_events(CHAT, STREAM, events)

    assert reading == SAID
    assert seen == [True, True, True, False, True]


def test_a_caller_who_asked_for_usage_sees_it() -> None:
    asking = {**STREAM, "stream_options": {"include_usage": True}}

    reading, seen = read_events(CHAT, asking, [chunk({"content": "4"}), usage_chunk(USAGE), "[DONE]"])

    assert reading == SAID
    assert seen == [True, True, True]


def test_a_chunk_without_choices_and_without_usage_is_the_callers() -> None:
    """Azure begins its streams with the results of its content filter."""
    filtered = {"choices": [], "model": "", "prompt_filter_results": [{"prompt_index": 0}]}

    assert read_events(CHAT, STREAM, [filtered])[1] == [True]


def test_usage_beside_the_last_choice_is_the_callers_and_ends_the_answer() -> None:
    last = {**chunk({"content": ""}, finish_reason="stop"), "usage": USAGE}

    reading, seen = read_events(CHAT, STREAM, [chunk({"content": "4 806 m"}), last])

    assert (reading, seen) == (SAID, [True, True])


def test_a_stream_that_breaks_off_is_estimated_from_what_was_seen() -> None:
    events: list[object] = [chunk({"role": "assistant", "content": ""}), chunk({"content": "It is 4 806 m."})]

    reading, _ = read_events(CHAT, STREAM, events)

    assert reading == Reading(
        response_model="gpt-6-sol-2026-09-01",
        input_tokens=ABOUT_INPUT,
        output_tokens=5,  # 14 bytes
        estimated=True,
        complete=False,
    )


def test_reasoning_and_the_arguments_of_tools_are_output_too() -> None:
    function = {"name": "height", "arguments": '{"of": "Mont Blanc"}'}
    events: list[object] = [
        chunk({"reasoning_content": "Alps. "}),
        chunk({"tool_calls": [{"index": 0, "id": "call_123456", "type": "function", "function": function}]}),
    ]

    reading, _ = read_events(CHAT, STREAM, events)

    assert reading.output_tokens == 11  # 6 + 6 + 20 = 32 bytes


def test_a_stream_that_ends_without_usage_is_complete_and_estimated() -> None:
    reading, _ = read_events(CHAT, STREAM, [chunk({"content": "abc"}), "[DONE]"])

    assert (reading.output_tokens, reading.estimated, reading.complete) == (1, True, True)


def test_before_anything_came_the_input_is_what_was_sent() -> None:
    reading = OPENAI.reader(call(CHAT, STREAM)).reading()

    assert (reading.input_tokens, reading.output_tokens, reading.complete) == (ABOUT_INPUT, 0, False)


def test_the_latest_of_running_counts_holds() -> None:
    counts = [
        {**chunk({"content": "a"}), "usage": {"prompt_tokens": 9, "completion_tokens": n}} for n in (1, 2)
    ]

    reading, _ = read_events(CHAT, STREAM, counts)

    assert (reading.output_tokens, reading.estimated, reading.complete) == (2, False, False)


@pytest.mark.parametrize(
    "data", ["", "{", "[]", "null", '{"choices": 5, "usage": "many"}', '{"choices": [7]}']
)
def test_an_unreadable_chunk_changes_nothing_and_is_the_callers(data: str) -> None:
    reading, seen = read_events(CHAT, STREAM, [data])

    assert (reading.output_tokens, reading.estimated, seen) == (0, True, [True])


@pytest.mark.parametrize("answer", [b"", b"<html>", b'{"usage": null}', b"\xff", b"[" * 5_000])
def test_an_unreadable_answer_is_estimated(answer: bytes) -> None:
    reading = read_whole(CHAT, QUESTION, answer)

    assert (reading.input_tokens, reading.output_tokens, reading.estimated) == (ABOUT_INPUT, 0, True)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, Tokens(input=10, output=5)),
        ({"prompt_tokens": 8, "total_tokens": 8}, Tokens(input=8)),  # embeddings
        ({"input_tokens": 3, "output_tokens": 4.0}, Tokens(input=3, output=4)),
        (
            # The parts are never more than their totals.
            {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1}},
            Tokens(input=5, cached=4, cache_write=1),
        ),
        (
            # Reasoning counted beside the completion: 10 + 5 + 200 are the total.
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 215,
                "completion_tokens_details": {"reasoning_tokens": 200},
            },
            Tokens(input=10, output=205, reasoning=200),
        ),
        ({"prompt_tokens": -1}, None),
        ({"prompt_tokens": True}, None),
        ({"prompt_tokens": 10**30}, None),
        ({}, None),
    ],
)
def test_usage_is_read_whatever_its_names(usage: dict[str, object], counted: Tokens | None) -> None:
    assert tokens_of(usage) == counted


def test_a_search_in_a_chat_is_one_unit() -> None:
    assert read_whole(CHAT, {**QUESTION, "web_search_options": {}}, ANSWER).units == Units(searches=1)


def test_a_text_completion_reads_as_a_chat() -> None:
    body = {"model": "davinci-002", "prompt": "Once", "stream": True}
    piece = {"choices": [{"index": 0, "text": " upon a time", "logprobs": None, "finish_reason": None}]}

    said, seen = read_events("/v1/completions", body, [piece, usage_chunk(USAGE), "[DONE]"])
    broken, _ = read_events("/v1/completions", body, [piece])

    assert (said.output_tokens, seen) == (350, [True, False, True])
    assert broken.output_tokens == 4  # 12 bytes
