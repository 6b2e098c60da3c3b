import json

import pytest

from tests.support.wires import answered, call, posted, streamed
from usage.providers import PROVIDERS
from usage.wire.base import Reading, SentRequest
from usage.wire.gemini import CONTENT_TOKENS, CONTEXT_TOKENS, IMAGE_TOKENS
from usage.wire.interactions import GoogleWire

WIRE = GoogleWire()
MODEL = "gemini-3.5-flash"
PATH = "/v1beta/interactions"
HELLO = {"model": MODEL, "input": "Hello"}
USAGE = {
    "total_input_tokens": 1200,
    "total_cached_tokens": 1000,
    "total_tool_use_tokens": 80,
    "total_output_tokens": 50,
    "total_thought_tokens": 30,
    "total_tokens": 1360,
}
CREATED = {
    "event_type": "interaction.created",
    "interaction": {"id": "i", "status": "in_progress", "model": MODEL},
}


def sent(**fields: object) -> SentRequest:
    return posted(PATH, {**HELLO, **fields})


def text(words: str) -> dict[str, object]:
    return {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": words}}


def test_the_model_stands_in_the_body() -> None:
    asked = call(WIRE, sent(stream=True, generation_config={"max_output_tokens": 300}))

    assert (asked.operation, asked.model, asked.streaming) == ("generate_content", MODEL, True)
    assert (asked.generates, asked.output_cap) == (True, 300)


def test_the_models_own_endpoints_are_read_as_well() -> None:
    assert call(WIRE, posted(f"/v1beta/models/{MODEL}:generateContent", {})).model == MODEL
    assert isinstance(PROVIDERS["gemini"].wire, GoogleWire)


@pytest.mark.parametrize(("method", "path"), [("GET", f"{PATH}/i"), ("POST", f"{PATH}/i/cancel")])
def test_the_state_of_an_interaction_is_not_metered(method: str, path: str) -> None:
    assert WIRE.call_of(SentRequest(method=method, path=path)) is None


def test_input_is_held_at_a_token_a_byte() -> None:
    written = len(json.dumps(HELLO, separators=(",", ":")))

    assert call(WIRE, sent()).input_tokens == written + 2 * CONTENT_TOKENS


def test_an_image_is_held_at_its_bound() -> None:
    held = call(
        WIRE, sent(input=[{"type": "image", "data": "A" * 400_000, "mime_type": "image/png"}])
    ).input_tokens

    assert held is not None
    assert IMAGE_TOKENS < held < IMAGE_TOKENS + 300


@pytest.mark.parametrize(
    "request_",
    [sent(previous_interaction_id="i"), sent(input=[{"type": "video", "uri": "https://youtu.be/x"}])],
)
def test_what_is_not_seen_is_held_at_the_longest_context(request_: SentRequest) -> None:
    assert call(WIRE, request_).input_tokens == CONTEXT_TOKENS


@pytest.mark.parametrize(
    ("body", "capped"),
    [
        (b'{"model": "m"}', b'{"model":"m","generation_config":{"max_output_tokens":99}}'),
        (
            b'{"generation_config": {"temperature": 0.70, "max_output_tokens": 4096}}',
            b'{"generation_config":{"temperature":0.70,"max_output_tokens":99}}',
        ),
        (
            b'{"generation_config": {"max_output_tokens": 99}}',
            b'{"generation_config": {"max_output_tokens": 99}}',
        ),
        (b"not json", b"not json"),
    ],
)
def test_the_cap_is_sent_where_it_is_lower(body: bytes, capped: bytes) -> None:
    request = posted(PATH, body)

    assert WIRE.prepared(request, call(WIRE, request), output_cap=99) == capped


def test_an_answer_counts_tools_as_input_and_thoughts_as_output() -> None:
    interaction = {
        "id": "i",
        "model": MODEL,
        "status": "completed",
        "steps": [{"type": "model_output"}],
        "usage": USAGE,
    }

    assert answered(WIRE, sent(), interaction) == Reading(
        response_model=MODEL,
        input_tokens=1200 + 80,
        cached_input_tokens=1000,
        output_tokens=50 + 30,
        reasoning_tokens=30,
    )


def test_a_stream_says_its_usage_when_it_is_completed() -> None:
    completed = {
        "event_type": "interaction.completed",
        "interaction": {"id": "i", "status": "completed", "usage": USAGE},
    }

    reading = streamed(WIRE, sent(stream=True), CREATED, text("Hel"), text("lo"), completed)

    assert (reading.response_model, reading.input_tokens, reading.output_tokens) == (MODEL, 1280, 80)
    assert (reading.estimated, reading.complete) == (False, True)


def test_a_stream_that_broke_off_is_estimated() -> None:
    called = {
        "event_type": "step.delta",
        "index": 1,
        "delta": {"type": "arguments_delta", "arguments": "a" * 6},
    }

    reading = streamed(WIRE, sent(stream=True), CREATED, text("x" * 60), called)

    assert reading.output_tokens == (60 + 6) // 3
    assert reading.input_tokens == -(-len(json.dumps({**HELLO, "stream": True}, separators=(",", ":"))) // 3)
    assert (reading.estimated, reading.complete) == (True, False)


def test_an_error_says_no_quantities() -> None:
    assert answered(WIRE, sent(), {"error": {"code": "invalid", "message": "…"}}) == Reading()
    assert streamed(WIRE, sent(), {"event_type": "error", "error": {}}) == Reading(complete=False)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"usage": {"total_input_tokens": -1}}', b"\xff"])
def test_an_answer_nobody_can_read_is_estimated_from_what_was_sent(body: bytes) -> None:
    reading = answered(WIRE, sent(), body)

    assert (reading.output_tokens, reading.estimated) == (0, True)
    assert reading.input_tokens
