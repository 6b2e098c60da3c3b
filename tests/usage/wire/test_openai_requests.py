"""What requests in OpenAI's formats ask for: upper bounds, caps, units."""

import pytest

from tests.support.openai_shapes import CHAT, MODEL, OPENAI, QUESTION, call, form, posted
from usage.events import Units
from usage.wire.base import SentRequest
from usage.wire.openai_content import TOKENS_PER_ENTRY


def test_a_chat_is_bounded_by_the_bytes_of_its_texts_and_the_marks_of_its_messages() -> None:
    asked = call(CHAT, {**QUESTION, "max_tokens": 300, "n": 2})

    assert (asked.operation, asked.model, asked.streaming, asked.generates) == ("chat", MODEL, False, True)
    assert asked.input_tokens == len("How high is Mont Blanc?") + TOKENS_PER_ENTRY
    assert (asked.output_cap, asked.choices) == (300, 2)


def test_tools_and_the_response_format_are_read_too() -> None:
    tool = {"type": "function", "function": {"name": "climb", "parameters": {"enum": ["up", "down"]}}}

    plain, tooled = call(CHAT, QUESTION), call(CHAT, {**QUESTION, "tools": [tool]})

    texts = "\n".join(["", "function", "name", "parameters", "climb", "enum", "up", "down"])
    assert tooled.input_tokens == (plain.input_tokens or 0) + len(texts) + 3 * TOKENS_PER_ENTRY


def test_a_parameter_named_like_a_mark_of_the_format_is_read() -> None:
    described = {"id": {"type": "string", "description": "d" * 900}}
    tool = {"type": "function", "function": {"name": "find", "parameters": {"properties": described}}}

    assert (call(CHAT, {**QUESTION, "tools": [tool]}).input_tokens or 0) > 900


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-4o", 1_445),  # 85 + 8 × 170
        ("gpt-4o-mini", 48_169),  # 2 833 + 8 × 5 667
        ("gpt-5-nano", 3_779),  # 1 536 patches × 2.46
        ("gpt-6-astra", 30_000),
        ("pixtral-large-latest", 4_160),
    ],
)
def test_a_picture_is_held_at_its_dearest(model: str, tokens: int) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    message = {"role": "user", "content": [picture]}

    assert call(CHAT, {"model": model, "messages": [message]}).input_tokens == tokens + 2 * TOKENS_PER_ENTRY


def test_a_sound_is_held_at_the_lowest_bitrate() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "A" * 9_999, "format": "mp3"}}
    message = {"role": "user", "content": [sound]}

    assert call(CHAT, {"model": MODEL, "messages": [message]}).input_tokens == 100 + 2 * TOKENS_PER_ENTRY


@pytest.mark.parametrize(
    "pointing",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": {"id": "conv_1"}},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]},
    ],
)
def test_what_a_request_does_not_show_is_held_as_the_whole_window(pointing: dict[str, object]) -> None:
    asked = call("/v1/responses", {"model": "gpt-5", "input": "Go on", **pointing})

    assert asked.input_tokens == 420_000  # 400 000 in the price list and a twentieth for its rounding


def test_an_unknown_models_window_is_the_widest() -> None:
    asked = call("/v1/responses", {"model": "mine", "input": "Go on", "previous_response_id": "resp_1"})

    assert asked.input_tokens == 1_050_000


def test_searches_the_provider_runs_are_held() -> None:
    search = {"model": MODEL, "input": "News?", "tools": [{"type": "web_search"}]}

    assert call("/v1/responses", search).units == Units(searches=10)
    assert call("/v1/responses", {**search, "max_tool_calls": 3}).units == Units(searches=3)
    assert call(CHAT, {**QUESTION, "web_search_options": {}}).units == Units(searches=1)


def test_a_completion_pays_for_every_try_of_every_prompt() -> None:
    asked = call("/v1/completions", {"model": "davinci-002", "prompt": ["a", "b", "c"], "n": 2, "best_of": 4})

    assert (asked.operation, asked.choices) == ("text_completion", 12)


@pytest.mark.parametrize(
    ("given", "tokens"), [("héllo", 6), (["ab", "cde"], 6), ([1, 2, 3], 3), ([[1, 2], [3]], 3)]
)
def test_an_embedding_reads_texts_or_tokens(given: object, tokens: int) -> None:
    asked = call("/v1/embeddings", {"model": "mine", "input": given})

    assert (asked.operation, asked.generates, asked.input_tokens) == ("embeddings", False, tokens)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/chat/completions", ""),
        ("/chat/completions/", ""),
        ("/gateway/team-a/v1/chat/completions", ""),
        ("/openai/deployments/our-gpt/chat/completions", "our-gpt"),
    ],
)
def test_a_path_is_known_by_its_end(path: str, model: str) -> None:
    assert call(path, {"messages": []}).model == model


@pytest.mark.parametrize(
    "request_",
    [
        SentRequest(method="GET", path="/v1/models"),
        SentRequest(method="GET", path="/v1/chat/completions"),
        posted("/v1/moderations", {"input": "fine"}),
        posted("/v1/files", {}),
        posted("/v1/responses/input_tokens", {"model": "gpt-5", "input": "how long?"}),
        posted("/v1/responses/resp_1/cancel", {}),
    ],
)
def test_what_costs_nothing_is_no_call(request_: SentRequest) -> None:
    assert OPENAI.call_of(request_) is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 5_000, b'{"model": 5, "messages": 7}']
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/images/edits", "/v1/ocr"])
def test_an_unreadable_body_is_a_call_without_a_model(path: str, body: bytes) -> None:
    asked = OPENAI.call_of(SentRequest(method="POST", path=path, body=body))

    assert asked is not None
    assert asked.model == ""


def test_pictures_are_counted_and_their_tokens_bounded() -> None:
    asked = call(
        "/v1/images/generations",
        {"model": "gpt-image-1", "prompt": "A", "n": 2, "size": "1024x1024", "partial_images": 3},
    )

    assert asked.units == Units(images=2)
    assert (asked.input_tokens, asked.choices, asked.generates) == (1, 2, False)
    assert asked.output_cap == 4_160 + 300  # 6 240 × (1024 × 1024) / (1536 × 1024), three partial images


def test_an_edit_is_a_form_and_reads_its_pictures() -> None:
    asked = OPENAI.call_of(
        form(
            "/v1/images/edits",
            fields={"model": "gpt-image-1", "prompt": "Add a hat", "n": "3"},
            files={"image[]": b"\x89PNG\r\n\r\n--", "mask": b"\x89PNG"},
        )
    )

    assert asked is not None
    assert (asked.model, asked.units) == ("gpt-image-1", Units(images=3))
    assert asked.input_tokens == len("Add a hat") + 2 * 30_000


@pytest.mark.parametrize("n", [10**20, -1, 0, "many", None, True])
def test_a_number_of_pictures_that_cannot_be_is_one(n: object) -> None:
    asked = call("/v1/images/generations", {"model": "gpt-image-1", "prompt": "A", "n": n})

    assert (asked.units, asked.choices) == (Units(images=1), 1)


def test_speech_is_counted_in_characters() -> None:
    asked = call("/v1/audio/speech", {"model": "tts-1", "input": "Grüezi", "voice": "alloy"})

    assert (asked.units, asked.input_tokens, asked.output_cap) == (Units(characters=6), None, None)


def test_speech_of_a_model_that_charges_tokens_is_counted_in_both() -> None:
    asked = call("/v1/audio/speech", {"model": "gpt-9-tts", "input": "Hello", "instructions": "Calm"})

    assert asked.units == Units(characters=5)
    assert (asked.input_tokens, asked.output_cap) == (9, 20)


def test_a_recording_is_held_as_long_as_its_bytes_can_last() -> None:
    request = form("/v1/audio/transcriptions", fields={"model": "whisper-1"}, files={"file": b"\0" * 60_000})

    asked = OPENAI.call_of(request)

    assert asked is not None
    assert (asked.units, asked.input_tokens) == (Units(seconds="60.000"), None)


def test_a_compaction_writes_at_most_what_it_reads() -> None:
    asked = call("/v1/responses/compact", {"model": MODEL, "input": "A long story"})

    assert (asked.generates, asked.output_cap) == (False, 12)


@pytest.mark.parametrize(
    ("document", "pages"),
    [
        ({"document": {"type": "document_url", "document_url": "https://x/a.pdf"}}, 1_000),
        ({"document": {"type": "document_url", "document_url": "https://x/a.pdf"}, "pages": [0, 3]}, 2),
        ({"document": {"type": "image_url", "image_url": "https://x/a.png"}}, 1),
    ],
)
def test_a_document_is_held_by_its_pages(document: dict[str, object], pages: int) -> None:
    assert call("/v1/ocr", {"model": "mistral-ocr-latest", **document}).units == Units(pages=pages)
