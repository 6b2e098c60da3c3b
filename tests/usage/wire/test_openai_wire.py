"""The body really sent: capped, asked for usage, and otherwise byte for byte the caller's."""

import json

import pytest

from tests.support.openai_shapes import (
    CHAT,
    MODEL,
    OPENAI,
    QUESTION,
    call,
    chunk,
    form,
    posted,
    prepared,
    read_events,
)
from usage.events import Units
from usage.providers import PROVIDERS
from usage.wire.base import SentRequest, Wire
from usage.wire.openai_wire import OpenAIWire

RESPONSE = {"model": MODEL, "input": "Hello"}


def wire_of(provider: str) -> OpenAIWire:
    wire = PROVIDERS[provider].wire
    assert isinstance(wire, OpenAIWire)
    return wire


@pytest.mark.parametrize(
    ("path", "body", "cap"),
    [
        (CHAT, QUESTION, {"max_completion_tokens": 500}),
        (CHAT, {**QUESTION, "max_tokens": 900}, {"max_tokens": 500}),
        (CHAT, {**QUESTION, "max_completion_tokens": None}, {"max_completion_tokens": 500}),
        (CHAT, {**QUESTION, "max_completion_tokens": -1}, {"max_completion_tokens": 500}),
        (
            CHAT,
            {**QUESTION, "max_completion_tokens": 501, "max_tokens": 100},
            {"max_completion_tokens": 500, "max_tokens": 100},
        ),
        ("/v1/completions", {"model": MODEL, "prompt": "Once"}, {"max_tokens": 500}),
        ("/v1/responses", RESPONSE, {"max_output_tokens": 500}),
        ("/v1/responses", {**RESPONSE, "max_output_tokens": 8_000}, {"max_output_tokens": 500}),
    ],
)
def test_the_cap_is_written_where_there_is_none_or_a_higher_one(
    path: str, body: dict[str, object], cap: dict[str, object]
) -> None:
    assert prepared(path, body, output_cap=500) == {**body, **cap}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {**QUESTION, "max_tokens": 499}),
        (CHAT, {**QUESTION, "max_completion_tokens": 500}),
        ("/v1/responses", {**RESPONSE, "max_output_tokens": 16}),
        ("/v1/embeddings", {"model": MODEL, "input": "Hello"}),
        ("/v1/images/generations", {"model": "gpt-image-1", "prompt": "A hat"}),
    ],
)
def test_a_body_that_needs_no_change_is_the_same_bytes(path: str, body: dict[str, object]) -> None:
    request = posted(path, body)

    assert OPENAI.prepared(request, call(path, body), output_cap=500) is request.body


def test_without_a_cap_nothing_is_capped() -> None:
    assert prepared(CHAT, QUESTION) == QUESTION


def test_what_is_not_changed_keeps_its_bytes() -> None:
    body = b'{ "model":"m","temperature":0.70,"seed":12345678901234567890123, "messages":[ 1e2,"\\u00e9" ] }'
    request = SentRequest(method="POST", path=CHAT, body=body)
    asked = OPENAI.call_of(request)
    assert asked is not None

    sent = OPENAI.prepared(request, asked, output_cap=9)

    assert sent == (
        b'{"model":"m","temperature":0.70,"seed":12345678901234567890123,'
        b'"messages":[ 1e2,"\\u00e9" ],"max_completion_tokens":9}'
    )


def test_a_cap_leaves_room_for_the_prompt_in_the_window() -> None:
    """This model holds 131 072 tokens: 6 000 bytes are about 2 000 of them, and three mark the message."""
    model = "meta-llama/Llama-3.3-70B-Instruct:groq"
    asked = {"model": model, "messages": [{"role": "user", "content": "x" * 6_000}]}

    sent = prepared(CHAT, asked, output_cap=131_072, wire=wire_of("huggingface"))

    assert sent["max_tokens"] == 131_072 - 2_003


@pytest.mark.parametrize("odd", [r'"\ud800"', "NaN", "1e999"])
def test_what_only_lenient_readers_take_is_capped_too(odd: str) -> None:
    body = f'{{"model": "m", "messages": [], "stream": true, "user": {odd}}}'.encode()
    request = SentRequest(method="POST", path=CHAT, body=body)
    asked = OPENAI.call_of(request)
    assert asked is not None

    sent = json.loads(OPENAI.prepared(request, asked, output_cap=9))

    assert (asked.model, sent["max_completion_tokens"], sent["stream_options"]) == (
        "m",
        9,
        {"include_usage": True},
    )


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff", b"[" * 5_000])
def test_an_unreadable_body_is_sent_as_it_is(body: bytes) -> None:
    request = SentRequest(method="POST", path=CHAT, body=body)
    asked = OPENAI.call_of(request)
    assert asked is not None

    assert OPENAI.prepared(request, asked, output_cap=9) == body


def test_a_form_is_sent_as_it_is() -> None:
    request = form("/v1/images/edits", fields={"model": "gpt-image-1"}, files={"image": b"\x89PNG"})
    asked = OPENAI.call_of(request)
    assert asked is not None

    assert OPENAI.prepared(request, asked, output_cap=9) is request.body


def test_a_stream_is_asked_for_its_usage() -> None:
    assert prepared(CHAT, {**QUESTION, "stream": True})["stream_options"] == {"include_usage": True}


def test_other_options_of_a_stream_are_kept() -> None:
    asked = {
        **QUESTION,
        "stream": True,
        "stream_options": {"include_usage": False, "include_obfuscation": False},
    }

    assert prepared(CHAT, asked)["stream_options"] == {"include_usage": True, "include_obfuscation": False}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {**QUESTION, "stream": True, "stream_options": {"include_usage": True}}),
        (CHAT, {**QUESTION, "stream": False}),
        ("/v1/responses", {**RESPONSE, "stream": True}),
    ],
)
def test_nothing_is_asked_for_that_comes_anyway(path: str, body: dict[str, object]) -> None:
    assert prepared(path, body) == body


def test_mistral_takes_the_older_cap_and_sends_usage_unasked() -> None:
    mistral = wire_of("mistral")
    asked = {"model": "mistral-large-latest", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    last = {
        **chunk({"content": ""}, finish_reason="stop"),
        "usage": {"prompt_tokens": 4, "completion_tokens": 9},
    }

    reading, seen = read_events(CHAT, asked, [chunk({"content": "Salut"}), last, "[DONE]"], wire=mistral)

    assert prepared(CHAT, asked, output_cap=99, wire=mistral) == {**asked, "max_tokens": 99}
    assert (reading.input_tokens, reading.output_tokens, reading.estimated, seen) == (4, 9, False, [True] * 3)


def test_mistral_completes_code_between_two_ends() -> None:
    asked = call(
        "/v1/fim/completions", {"model": "codestral-latest", "prompt": "def f(", "suffix": "return 1"}
    )

    assert (asked.operation, asked.input_tokens) == ("chat", len("def f(\nreturn 1"))


def test_mistral_thinks_in_parts() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Alps."}]}

    reading, _ = read_events(CHAT, {**QUESTION, "stream": True}, [chunk({"content": [thought]})])

    assert reading.output_tokens == 2  # 5 bytes


@pytest.mark.parametrize(
    ("path", "model", "named"),
    [
        ("/v1/chat/completions", "openai/gpt-oss-120b:groq", "openai/gpt-oss-120b:groq"),
        ("/groq/openai/v1/chat/completions", "openai/gpt-oss-120b", "openai/gpt-oss-120b:groq"),
        ("/v1/chat/completions", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("/our-gateway/v1/chat/completions", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
    ],
)
def test_hugging_face_names_the_serving_provider_in_the_model_or_the_path(
    path: str, model: str, named: str
) -> None:
    asked = call(path, {"model": model, "messages": []}, wire=wire_of("huggingface"))

    assert asked.model == named


def test_hugging_face_streams_are_asked_for_usage_and_capped_by_the_older_name() -> None:
    asked = {"model": "openai/gpt-oss-120b:groq", "messages": [], "stream": True}

    sent = prepared(CHAT, asked, output_cap=700, wire=wire_of("huggingface"))

    assert sent == {**asked, "max_tokens": 700, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("provider", ["openai", "mistral", "huggingface"])
def test_the_provider_has_its_wire(provider: str) -> None:
    wire: Wire | None = PROVIDERS[provider].wire

    assert wire is not None
    assert wire.call_of(posted(CHAT, QUESTION)) is not None


def test_a_transcript_by_mistral_says_seconds_and_tokens() -> None:
    mistral = wire_of("mistral")
    asked = mistral.call_of(
        form(
            "/v1/audio/transcriptions", fields={"model": "voxtral-mini-latest"}, files={"file": b"\0" * 8_000}
        )
    )
    assert asked is not None
    reader = mistral.reader(asked)
    usage = {"prompt_audio_seconds": 203, "prompt_tokens": 4, "completion_tokens": 635, "total_tokens": 3_264}

    reader.whole(json.dumps({"model": "voxtral-mini-2507", "text": "…", "usage": usage}).encode())

    reading = reader.reading()
    assert (reading.units, reading.input_tokens, reading.output_tokens) == (Units(seconds="203.000"), 4, 635)
