import json

import pytest

from tests.support.wires import answered, call, posted, streamed
from usage.events import Units
from usage.wire.base import Reading, SentRequest
from usage.wire.gemini import (
    CONTENT_TOKENS,
    CONTEXT_TOKENS,
    IMAGE_TOKENS,
    IMAGES_OF_A_CALL,
    PAGE_TOKENS,
    GeminiWire,
)

WIRE = GeminiWire()
MODELS = "/v1beta/models"
HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
USAGE = {
    "promptTokenCount": 1200,
    "cachedContentTokenCount": 1000,
    "toolUsePromptTokenCount": 80,
    "candidatesTokenCount": 50,
    "thoughtsTokenCount": 30,
    "totalTokenCount": 1360,
}


def sent(verb: str = "generateContent", *, query: str = "", **fields: object) -> SentRequest:
    body: dict[str, object] = {**HELLO, **fields}
    return posted(f"{MODELS}/gemini-2.5-pro:{verb}", body, query=query)


def chunk(text: str, usage: dict[str, int] | None = None, *, ended: bool = False) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if ended:
        candidate["finishReason"] = "STOP"
    said: dict[str, object] = {"candidates": [candidate], "modelVersion": "gemini-2.5-pro"}
    return said if usage is None else said | {"usageMetadata": usage}


def part(**content: object) -> SentRequest:
    return sent(contents=[{"parts": [content]}])


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1beta/models/gemini-2.5-pro:generateContent", "gemini-2.5-pro"),
        ("/v1/models/gemini-2.5-pro%3AgenerateContent", "gemini-2.5-pro"),
        ("/v1beta/tunedModels/mine-1:generateContent", "tunedModels/mine-1"),
        ("/v1beta1/projects/p/locations/us-central1/publishers/google/models/gemini-2.5-pro:generateContent",
         "gemini-2.5-pro"),
        ("/v1beta1/publishers/google/models/gemini-2.5-pro:generateContent", "gemini-2.5-pro"),
        ("/v1/projects/p/locations/eu/publishers/meta/models/llama-4:generateContent", "meta/llama-4"),
        ("/v1/projects/p/locations/eu/endpoints/123:generateContent", "123"),
    ],
)  # fmt: skip
def test_the_model_stands_in_the_path(path: str, model: str) -> None:
    asked = call(WIRE, posted(path, HELLO))

    assert (asked.operation, asked.model, asked.generates) == ("generate_content", model, True)


@pytest.mark.parametrize(
    "path",
    [
        f"{MODELS}/gemini-2.5-pro:countTokens",
        f"{MODELS}/gemini-2.5-pro:batchGenerateContent",
        f"{MODELS}/gemini-2.5-pro",
        "/upload/v1beta/files",
        "/v1beta/cachedContents",
    ],
)
def test_what_generates_nothing_now_is_not_metered(path: str) -> None:
    assert WIRE.call_of(posted(path, HELLO)) is None


def test_only_a_stream_of_events_is_a_stream() -> None:
    assert call(WIRE, sent("streamGenerateContent", query="alt=sse")).streaming
    assert not call(WIRE, sent("streamGenerateContent", query="key=k")).streaming


@pytest.mark.parametrize(
    "config",
    [
        {"generationConfig": {"maxOutputTokens": 256, "candidateCount": 2}},
        {"generation_config": {"max_output_tokens": "256", "candidate_count": 2.0}},
    ],
)
def test_the_cap_and_the_candidates_are_read_in_either_spelling(config: dict[str, object]) -> None:
    asked = call(WIRE, posted(f"{MODELS}/gemini-2.5-pro:generateContent", HELLO | config))

    assert (asked.output_cap, asked.choices) == (256, 2)


@pytest.mark.parametrize(
    ("body", "capped"),
    [
        (b'{"contents": []}', b'{"contents":[],"generationConfig":{"maxOutputTokens":99}}'),
        (
            b'{"generationConfig": {"temperature": 0.70, "maxOutputTokens": 4096}}',
            b'{"generationConfig":{"temperature":0.70,"maxOutputTokens":99}}',
        ),
        (
            b'{"generation_config": {"max_output_tokens": 4096}}',
            b'{"generation_config":{"maxOutputTokens":99}}',
        ),
    ],
)
def test_the_cap_is_sent(body: bytes, capped: bytes) -> None:
    request = posted(f"{MODELS}/gemini-2.5-pro:generateContent", body)

    assert WIRE.prepared(request, call(WIRE, request), output_cap=99) == capped


@pytest.mark.parametrize(
    "request_",
    [
        sent(generationConfig={"maxOutputTokens": 10}),
        sent("embedContent"),
        posted(f"{MODELS}/gemini-2.5-pro:generateContent", b"not json"),
    ],
)
def test_a_body_that_needs_no_change_is_sent_byte_for_byte(request_: SentRequest) -> None:
    assert WIRE.prepared(request_, call(WIRE, request_), output_cap=10) is request_.body


def test_input_is_held_at_a_token_a_byte_and_the_marks_around_contents() -> None:
    written = len(json.dumps(HELLO, separators=(",", ":")))

    assert call(WIRE, sent()).input_tokens == written + 2 * CONTENT_TOKENS


@pytest.mark.parametrize(
    ("request_", "tokens"),
    [
        (part(inlineData={"mimeType": "image/png", "data": "A" * 400_000}), IMAGE_TOKENS),
        (part(inline_data={"mime_type": "image/png", "data": "A" * 400_000}), IMAGE_TOKENS),
        (part(fileData={"mimeType": "image/png", "fileUri": "gs://b/i.png"}), IMAGE_TOKENS),
        # 8 000 characters, an unreadable PDF: 1 + 8 000 // 4 096 pages.
        (part(inlineData={"mimeType": "application/pdf", "data": "A" * 8_000}), 2 * PAGE_TOKENS),
        (part(inlineData={"mimeType": "audio/mp3", "data": "A" * 80_000}), 10_000),
    ],
)
def test_media_are_held_at_their_bound(request_: SentRequest, tokens: int) -> None:
    held = call(WIRE, request_).input_tokens

    assert held is not None
    assert tokens < held < tokens + 300


@pytest.mark.parametrize(
    "request_",
    [
        part(fileData={"mimeType": "video/mp4", "fileUri": "https://youtu.be/x"}),
        sent(cachedContent="cachedContents/abc"),
        sent(systemInstruction={"parts": [{"text": "x" * 3_000_000}]}),
    ],
)
def test_what_is_not_seen_is_held_at_the_longest_context(request_: SentRequest) -> None:
    assert call(WIRE, request_).input_tokens == CONTEXT_TOKENS


def test_an_answer_counts_tools_as_input_and_thoughts_as_output() -> None:
    reading = answered(WIRE, sent(), chunk("Hi", USAGE, ended=True))

    assert reading == Reading(
        response_model="gemini-2.5-pro",
        input_tokens=1200 + 80,
        cached_input_tokens=1000,
        output_tokens=50 + 30,
        reasoning_tokens=30,
    )


def test_in_a_stream_the_last_counts_are_the_totals() -> None:
    reading = streamed(
        WIRE, sent("streamGenerateContent", query="alt=sse"),
        chunk("Hel", {"promptTokenCount": 9, "candidatesTokenCount": 3}),
        chunk("lo", {"promptTokenCount": 9, "candidatesTokenCount": 7, "thoughtsTokenCount": 4}),
        chunk("!", {"promptTokenCount": 9, "candidatesTokenCount": 8, "thoughtsTokenCount": 4}, ended=True),
    )  # fmt: skip

    assert (reading.input_tokens, reading.output_tokens, reading.reasoning_tokens) == (9, 12, 4)
    assert (reading.estimated, reading.complete) == (False, True)


def test_a_stream_without_events_is_an_array() -> None:
    chunks = [chunk("Hel", {"promptTokenCount": 9}), chunk("lo", USAGE, ended=True)]

    assert answered(WIRE, sent("streamGenerateContent"), chunks).output_tokens == 80


def test_of_an_array_that_broke_off_the_complete_chunks_count() -> None:
    opening = json.dumps([chunk("Hel", USAGE), chunk("lo", USAGE)]).encode()[:-40]

    reading = answered(WIRE, sent("streamGenerateContent"), opening)

    assert (reading.input_tokens, reading.output_tokens) == (1280, 80)
    assert (reading.estimated, reading.complete) == (False, False)


def test_text_after_the_last_count_of_a_broken_stream_is_estimated() -> None:
    reading = streamed(
        WIRE, sent("streamGenerateContent", query="alt=sse"),
        chunk("counted", {"promptTokenCount": 9, "candidatesTokenCount": 5}),
        chunk("x" * 30),
        chunk("y" * 30, {"promptTokenCount": 9}),
    )  # fmt: skip

    assert (reading.input_tokens, reading.output_tokens) == (9, 5 + 60 // 3)
    assert (reading.estimated, reading.complete) == (True, False)


def test_a_call_of_a_function_is_output_too() -> None:
    content = {"parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]}

    reading = streamed(
        WIRE, sent("streamGenerateContent", query="alt=sse"), {"candidates": [{"content": content}]}
    )

    assert reading.output_tokens == -(-len('{"name": "f", "args": {"a": 1}}') // 3)


def test_a_blocked_prompt_is_input_without_output() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}}

    reading = streamed(WIRE, sent("streamGenerateContent", query="alt=sse"), blocked)

    assert (reading.input_tokens, reading.output_tokens) == (9, 0)
    assert (reading.estimated, reading.complete) == (False, True)


def test_an_error_says_no_quantities() -> None:
    assert answered(WIRE, sent(), {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}) == Reading()


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"usageMetadata": {"promptTokenCount": -1}}', b"\xff"])
def test_an_answer_nobody_can_read_is_estimated_from_what_was_sent(body: bytes) -> None:
    reading = answered(WIRE, sent(), body)

    assert reading.input_tokens == -(-len(json.dumps(HELLO, separators=(",", ":"))) // 3)
    assert (reading.output_tokens, reading.estimated) == (0, True)


@pytest.mark.parametrize("verb", ["embedContent", "batchEmbedContents"])
def test_embeddings_have_input_alone(verb: str) -> None:
    said = answered(
        WIRE, sent(verb), {"embedding": {"values": [0.1]}, "usageMetadata": {"promptTokenCount": 8}}
    )
    silent = answered(WIRE, sent(verb), {"embeddings": [{"values": [0.1, 0.2]}]})

    assert (said.input_tokens, said.output_tokens, said.estimated) == (8, None, False)
    assert (silent.output_tokens, silent.estimated) == (None, True)
    assert silent.input_tokens


def test_embeddings_of_vertex_say_their_tokens_one_by_one() -> None:
    path = "/v1/projects/p/locations/us-central1/publishers/google/models/text-embedding-005:predict"
    predictions = [
        {"embeddings": {"values": [0.1], "statistics": {"token_count": 4.0, "truncated": False}}},
        {"embeddings": {"values": [0.2], "statistics": {"token_count": 5.0, "truncated": False}}},
    ]

    reading = answered(
        WIRE, posted(path, {"instances": [{"content": "a"}, {"content": "b"}]}), {"predictions": predictions}
    )

    assert (reading.input_tokens, reading.output_tokens, reading.estimated) == (9, None, False)


def test_imagen_is_held_by_the_images_asked_and_counted_by_those_made() -> None:
    request = posted(
        f"{MODELS}/imagen-4.0-generate-001:predict",
        {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 3}},
    )
    made = {"mimeType": "image/png", "bytesBase64Encoded": "iVBORw0KGgo="}

    asked = call(WIRE, request)
    reading = answered(WIRE, request, {"predictions": [made, made, {"raiFilteredReason": "filtered"}]})

    assert (asked.operation, asked.units, asked.input_tokens) == ("image_generation", Units(images=3), None)
    assert reading == Reading(units=Units(images=2))


def test_imagen_makes_four_images_when_it_is_not_told() -> None:
    asked = call(WIRE, posted(f"{MODELS}/imagen-4.0-generate-001:predict", {"instances": [{"prompt": "a"}]}))

    assert asked.units == Units(images=IMAGES_OF_A_CALL)
