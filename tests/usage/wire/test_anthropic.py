import base64
import json

import pytest

from tests.support.wires import answered, call, posted, streamed
from usage.events import NO_UNITS, Units
from usage.wire.anthropic import (
    CONTEXT_TOKENS,
    IMAGE_TOKENS,
    MESSAGE_TOKENS,
    PAGE_TOKENS,
    SEARCHES_OF_A_TURN,
    TOOLS_TOKENS,
    UNSEEN_PAGES,
    AnthropicWire,
)
from usage.wire.base import Reading, SentRequest

WIRE = AnthropicWire()
MODEL = "claude-sonnet-4-5-20250929"
HELLO = {"model": MODEL, "max_tokens": 1024, "messages": [{"role": "user", "content": "Hello"}]}
USAGE = {
    "input_tokens": 21,
    "cache_creation_input_tokens": 188,
    "cache_read_input_tokens": 1000,
    "cache_creation": {"ephemeral_5m_input_tokens": 188, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 393,
    "service_tier": "standard",
}
START = {
    "type": "message_start",
    "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": [],
        "stop_reason": None, "usage": {**USAGE, "output_tokens": 1},
    },
}  # fmt: skip
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
STOP = {"type": "message_stop"}


def sent(**fields: object) -> SentRequest:
    return posted("/v1/messages", HELLO | fields)


def message(**usage: object) -> dict[str, object]:
    return {
        "type": "message",
        "model": MODEL,
        "content": [{"type": "text", "text": "Hi!"}],
        "usage": USAGE | usage,
    }


def delta(**kind: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": kind}


def totals(**usage: object) -> dict[str, object]:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


def test_a_message_request_says_its_model_its_cap_and_whether_it_streams() -> None:
    asked = call(WIRE, sent(stream=True))

    assert (asked.operation, asked.model, asked.streaming) == ("chat", MODEL, True)
    assert (asked.generates, asked.output_cap, asked.choices, asked.units) == (True, 1024, 1, NO_UNITS)


def test_the_beta_endpoint_is_the_same_one() -> None:
    assert call(WIRE, posted("/v1/messages", HELLO, query="beta=true")).model == MODEL


@pytest.mark.parametrize(
    "path", ["/v1/messages/count_tokens", "/v1/messages/batches", "/v1/models", "/v1/files"]
)
def test_what_generates_nothing_now_is_not_metered(path: str) -> None:
    assert WIRE.call_of(posted(path, HELLO)) is None


def test_input_is_held_at_a_token_a_byte_and_the_marks_around_messages() -> None:
    request = sent()

    # One message and the system prompt's place: 2 × 16 tokens beside the text.
    assert (
        call(WIRE, request).input_tokens == len(json.dumps(HELLO, separators=(",", ":"))) + 2 * MESSAGE_TOKENS
    )


def test_an_image_is_held_at_what_it_is_scaled_down_to_not_at_its_bytes() -> None:
    picture = {"type": "base64", "media_type": "image/png", "data": "A" * 400_000}
    content = [{"type": "image", "source": picture}, {"type": "text", "text": "What is it?"}]

    held = call(WIRE, sent(messages=[{"role": "user", "content": content}])).input_tokens

    assert held is not None
    assert IMAGE_TOKENS < held < IMAGE_TOKENS + 500


def test_a_pdf_is_held_by_its_pages() -> None:
    pdf = b"%PDF-1.7\n1 0 obj<</Type /Pages /Count 3>>" + b"<</Type /Page /Parent 1 0 R>>" * 3
    source = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(pdf).decode()}
    content = [{"type": "document", "source": source}]

    held = call(WIRE, sent(messages=[{"role": "user", "content": content}])).input_tokens

    assert held is not None
    assert 3 * PAGE_TOKENS < held < 4 * PAGE_TOKENS


def test_a_document_that_is_only_named_is_held_at_the_pages_allowed() -> None:
    content = [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]

    held = call(WIRE, sent(messages=[{"role": "user", "content": content}])).input_tokens

    assert held is not None
    assert UNSEEN_PAGES * PAGE_TOKENS < held < UNSEEN_PAGES * PAGE_TOKENS + 500


def test_no_prompt_is_held_above_the_longest_context() -> None:
    assert call(WIRE, sent(system="x" * 2_000_000)).input_tokens == CONTEXT_TOKENS


def test_tools_bring_a_system_prompt_and_searches() -> None:
    plain, search = {"name": "add", "input_schema": {}}, {"type": "web_search_20250305", "name": "web_search"}
    bare = call(WIRE, sent()).input_tokens
    tooled = call(WIRE, sent(tools=[plain, search | {"max_uses": 3}]))

    assert bare is not None
    assert tooled.input_tokens is not None
    assert tooled.input_tokens > bare + 2 * TOOLS_TOKENS
    assert tooled.units == Units(searches=3)
    assert call(WIRE, sent(tools=[search])).units == Units(searches=SEARCHES_OF_A_TURN)


def test_a_higher_cap_is_lowered_and_nothing_else_changes() -> None:
    request = posted("/v1/messages", b'{"model": "m", "temperature": 0.70, "max_tokens": 4096}')

    assert WIRE.prepared(request, call(WIRE, request), output_cap=500) == (
        b'{"model":"m","temperature":0.70,"max_tokens":500}'
    )


@pytest.mark.parametrize("cap", [1024, 5000, None])
def test_a_body_that_needs_no_change_is_sent_byte_for_byte(cap: int | None) -> None:
    request = sent()

    assert WIRE.prepared(request, call(WIRE, request), output_cap=cap) is request.body


def test_an_answer_counts_the_cache_as_part_of_the_input() -> None:
    reading = answered(WIRE, sent(), message(output_tokens_details={"thinking_tokens": 90}))

    assert reading == Reading(
        response_model=MODEL,
        input_tokens=21 + 188 + 1000,
        cached_input_tokens=1000,
        cache_write_tokens=188,
        output_tokens=393,
        reasoning_tokens=90,
    )


def test_searches_of_the_server_are_units() -> None:
    reading = answered(
        WIRE, sent(), message(server_tool_use={"web_search_requests": 2, "web_fetch_requests": 1})
    )

    assert reading.units == Units(searches=2)


def test_what_stands_beside_the_totals_is_added() -> None:
    compaction = {"type": "compaction", "input_tokens": 5000, "output_tokens": 300,
                  "cache_creation_input_tokens": 0, "cache_read_input_tokens": 40}  # fmt: skip
    turn = compaction | {"type": "message"}

    reading = answered(WIRE, sent(), message(iterations=[compaction, turn]))

    assert reading.input_tokens == 1209 + 5000 + 40
    assert reading.cached_input_tokens == 1000 + 40
    assert reading.output_tokens == 393 + 300


def test_a_stream_counts_input_at_its_start_and_the_last_total_of_its_output() -> None:
    reading = streamed(
        WIRE, sent(stream=True),
        START, BLOCK, {"type": "ping"}, delta(type="text_delta", text="Hi"),
        totals(output_tokens=40), totals(output_tokens=57), STOP,
    )  # fmt: skip

    assert (reading.input_tokens, reading.cached_input_tokens, reading.cache_write_tokens) == (
        1209,
        1000,
        188,
    )
    assert (reading.output_tokens, reading.estimated, reading.complete) == (57, False, True)


def test_a_later_total_of_the_input_replaces_the_first() -> None:
    grown = totals(input_tokens=921, output_tokens=57, server_tool_use={"web_search_requests": 1})

    reading = streamed(WIRE, sent(stream=True), START, grown, STOP)

    assert reading.input_tokens == 921 + 188 + 1000
    assert reading.units == Units(searches=1)


def test_of_a_stream_that_broke_off_only_the_output_is_estimated() -> None:
    reading = streamed(
        WIRE, sent(stream=True),
        START,
        delta(type="thinking_delta", thinking="t" * 30), delta(type="signature_delta", signature="s" * 99),
        delta(type="text_delta", text="x" * 60), delta(type="input_json_delta", partial_json="j" * 9),
    )  # fmt: skip

    assert reading.input_tokens == 1209
    assert reading.output_tokens == (30 + 60 + 9) // 3
    assert (reading.estimated, reading.complete) == (True, False)


def test_a_stream_that_never_began_is_estimated_from_what_was_sent() -> None:
    reading = streamed(WIRE, sent(stream=True))

    assert reading.input_tokens == -(-(len(json.dumps(HELLO | {"stream": True}, separators=(",", ":")))) // 3)
    assert (reading.output_tokens, reading.estimated, reading.complete) == (0, True, False)


def test_a_stream_that_is_refused_consumed_nothing() -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

    assert streamed(WIRE, sent(stream=True), overloaded) == Reading(complete=False)
    assert streamed(WIRE, sent(stream=True), START, overloaded).input_tokens == 1209


def test_an_error_says_no_quantities() -> None:
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "…"}, "request_id": "req_1"}

    assert answered(WIRE, sent(), error) == Reading()


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"usage": {"input_tokens": -1}}', b"[" * 50_000, b"\xff"])
def test_an_answer_nobody_can_read_is_estimated_from_what_was_sent(body: bytes) -> None:
    reading = answered(WIRE, sent(), body)

    assert (reading.output_tokens, reading.estimated) == (0, True)
    assert reading.input_tokens


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b"[" * 50_000, b"\xff"])
def test_a_request_nobody_can_read_is_still_a_call(body: bytes) -> None:
    request = posted("/v1/messages", body)
    asked = call(WIRE, request)

    assert (asked.model, asked.output_cap, asked.input_tokens) == ("", None, len(body) + MESSAGE_TOKENS)
    assert WIRE.prepared(request, asked, output_cap=10) is request.body


def test_prompts_stay_out_of_what_is_remembered_of_a_call() -> None:
    assert "Hello" not in repr(call(WIRE, sent()))
