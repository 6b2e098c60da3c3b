"""What answers that are no text say was consumed: embeddings, pictures, speech, transcripts, pages."""

import json

import pytest

from tests.support.openai_shapes import MODEL, OPENAI, form, read_events, read_whole
from usage.events import Units
from usage.wire.base import Reading

IMAGE = {"model": "gpt-image-1", "prompt": "A hat", "n": 2}
IMAGE_USAGE = {"input_tokens": 50, "output_tokens": 8_320, "total_tokens": 8_370}


def test_an_embedding_says_its_input() -> None:
    answer = {
        "object": "list",
        "data": [{"embedding": [0.1]}],
        "model": MODEL,
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }

    reading = read_whole("/v1/embeddings", {"model": MODEL, "input": "hello"}, answer)

    assert reading == Reading(response_model=MODEL, input_tokens=5)


def test_an_embedding_without_usage_is_estimated() -> None:
    reading = read_whole("/v1/embeddings", {"model": MODEL, "input": "hello"}, {"data": []})

    assert reading == Reading(input_tokens=2, estimated=True)  # 5 bytes


def test_pictures_are_those_in_the_answer_with_their_tokens() -> None:
    answer = {"created": 1, "data": [{"b64_json": "A"}], "usage": IMAGE_USAGE}

    reading = read_whole("/v1/images/generations", IMAGE, answer)

    assert reading == Reading(input_tokens=50, output_tokens=8_320, units=Units(images=1))


def test_pictures_without_usage_are_estimated_at_their_dearest() -> None:
    reading = read_whole("/v1/images/generations", IMAGE, {"data": [{"url": "u"}, {"url": "v"}]})

    assert (reading.output_tokens, reading.units, reading.estimated) == (12_480, Units(images=2), True)


def test_a_stream_of_pictures_says_its_usage_at_the_end() -> None:
    events = [
        {"type": "image_generation.partial_image", "b64_json": "A", "partial_image_index": 0},
        {"type": "image_generation.completed", "b64_json": "B", "usage": IMAGE_USAGE},
    ]

    reading, seen = read_events("/v1/images/generations", {**IMAGE, "n": 1, "stream": True}, events)

    assert reading == Reading(input_tokens=50, output_tokens=8_320, units=Units(images=1))
    assert seen == [True, True]


def test_speech_is_charged_as_it_was_asked_for() -> None:
    reading = read_whole("/v1/audio/speech", {"model": "tts-1", "input": "Grüezi"}, b"ID3\x04\x00")

    assert reading == Reading(units=Units(characters=6))


def test_speech_that_charges_tokens_is_estimated() -> None:
    reading = read_whole("/v1/audio/speech", {"model": "gpt-9-tts", "input": "Hello"}, b"ID3\x04\x00")

    assert reading == Reading(input_tokens=2, output_tokens=10, units=Units(characters=5), estimated=True)


def test_speech_as_a_stream_of_events_says_its_tokens() -> None:
    body = {"model": "gpt-9-tts", "input": "Hello", "stream_format": "sse"}
    usage = {"input_tokens": 4, "output_tokens": 31, "total_tokens": 35}
    events = [{"type": "speech.audio.delta", "audio": "AAAA"}, {"type": "speech.audio.done", "usage": usage}]

    reading, _ = read_events("/v1/audio/speech", body, events)

    assert reading == Reading(input_tokens=4, output_tokens=31, units=Units(characters=5))


@pytest.mark.parametrize(
    ("model", "answer", "reading"),
    [
        (
            "gpt-4o-transcribe",
            {"text": "Hi", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 45}},
            Reading(input_tokens=14, output_tokens=45, units=Units(seconds="2.000")),
        ),
        (
            "whisper-1",
            {"text": "Hi", "usage": {"type": "duration", "seconds": 7}},
            Reading(units=Units(seconds="7.000")),
        ),
        ("whisper-1", {"text": "Hi", "duration": 8.470000267}, Reading(units=Units(seconds="8.471"))),
        (
            "whisper-1",
            b"1\n00:00:00,000 --> 00:00:02,000\nHi",
            Reading(units=Units(seconds="2.000"), estimated=True),
        ),
        (
            "mine",
            {"text": "Hi, you", "model": "mine"},
            Reading(
                response_model="mine",
                input_tokens=26,
                output_tokens=3,
                units=Units(seconds="2.000"),
                estimated=True,
            ),
        ),
    ],
)
def test_a_transcript_says_tokens_or_seconds(model: str, answer: object, reading: Reading) -> None:
    """A recording of 8 000 bytes is about two seconds of 32 kbit/s."""
    request = form("/v1/audio/transcriptions", fields={"model": model}, files={"file": b"\0" * 8_000})
    call = OPENAI.call_of(request)
    assert call is not None
    reader = OPENAI.reader(call)

    reader.whole(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    assert reader.reading() == reading


def test_pages_are_those_processed() -> None:
    body = {
        "model": "mistral-ocr-latest",
        "document": {"type": "document_url", "document_url": "https://x/a.pdf"},
    }
    answer = {
        "pages": [],
        "model": "mistral-ocr-4-1",
        "usage_info": {"pages_processed": 29, "doc_size_bytes": 1},
    }

    assert read_whole("/v1/ocr", body, answer) == Reading(
        response_model="mistral-ocr-4-1", units=Units(pages=29)
    )
    assert read_whole("/v1/ocr", body, b"?") == Reading(units=Units(pages=1), estimated=True)
