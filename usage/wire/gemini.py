"""Google's Gemini API, and the same models on Vertex AI.

The model stands in the path. Jobs (`:batchGenerateContent`, `:asyncBatchEmbedContent`,
`:predictLongRunning`) are not metered here: what they consume is known long after the call that starts them.
Report it as an event whose id is the job's name, so that reading its state again counts nothing twice.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from usage.events import Count, Units
from usage.wire.base import Call, Reader, Reading, SentRequest
from usage.wire.bodies import (
    NOTHING,
    UNREADABLE,
    PromptCall,
    about_input,
    count_of,
    decoded,
    encoded,
    fields_of,
    list_in,
    merge,
    object_in,
    object_of,
    objects_within,
    pdf_pages,
    text_of,
)
from usage.wire.tokens import estimate, upper_bound

# The longest prompt any model takes (ai.google.dev/gemini-api/docs/long-context, 2 million for 1.5 Pro).
CONTEXT_TOKENS = 2_097_152
# Roles and turn marks around a content.
CONTENT_TOKENS = 16
# What media are at most, by ai.google.dev/gemini-api/docs/media-resolution: an image 256 tokens and 2,048 for
# its closer views, a page of a PDF 1,120. A second of audio is 32 tokens and one of video at most 300, so
# that a token for eight bytes bounds any sound above 2 kbit/s and any film above 20.
IMAGE_TOKENS = 2_304
PAGE_TOKENS = 1_120
MEDIA_BYTES_PER_TOKEN = 8
IMAGES = "image_generation"
# What Imagen makes when the request does not say how many.
IMAGES_OF_A_CALL = 4

_TARGET = re.compile(
    r"/v\d\w*/(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/(?P<publisher>[^/]+)/)?"
    r"(?P<kind>models|tunedModels|endpoints)/(?P<model>[^/:]+):(?P<verb>\w+)"
)
_OPERATIONS = {
    "generateContent": "generate_content",
    "streamGenerateContent": "generate_content",
    "embedContent": "embeddings",
    "batchEmbedContents": "embeddings",
    "predict": "embeddings",
}


class _Camel(msgspec.Struct, rename="camel"):
    """Google's JSON: names in camel case."""


class _Usage(_Camel):
    prompt_token_count: Count | None = None
    tool_use_prompt_token_count: Count | None = None
    cached_content_token_count: Count | None = None
    candidates_token_count: Count | None = None
    thoughts_token_count: Count | None = None


class _Part(_Camel):
    text: str | None = None
    function_call: msgspec.Raw = NOTHING


class _Content(_Camel):
    parts: list[_Part] | None = None


class _Candidate(_Camel):
    content: _Content | None = None
    finish_reason: str | None = None


class _Feedback(_Camel):
    block_reason: str | None = None


class _Statistics(msgspec.Struct):
    token_count: int | float | None = None


class _Embedding(_Camel):
    statistics: _Statistics | None = None


class _Prediction(_Camel):
    mime_type: str | None = None
    embeddings: _Embedding | None = None


class _Answer(_Camel):
    """One answer, or one chunk of a streamed one."""

    model_version: str | None = None
    usage_metadata: _Usage | None = None
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    predictions: list[_Prediction] | None = None
    error: msgspec.Raw = NOTHING


_answers = msgspec.json.Decoder(_Answer | list[_Answer])


class GeminiWire:
    """Reads generation (streamed as events, as a JSON array, or whole), embeddings and Imagen's images."""

    def call_of(self, request: SentRequest) -> Call | None:
        """What a request to a model asks for."""
        target = _TARGET.fullmatch(unquote(request.path))
        if request.method != "POST" or target is None or target["verb"] not in _OPERATIONS:
            return None
        model = _model_of(target)
        body = object_of(request.body)
        if target["verb"] == "predict" and model.startswith("imagen"):
            return Call(operation=IMAGES, model=model, units=_images_asked(body))
        operation = _OPERATIONS[target["verb"]]
        media_tokens = _set_media_aside(body)
        prompt = encoded(body) if body else request.body
        overhead = CONTENT_TOKENS * (1 + len(list_in(body.get("contents"))))
        config = object_in(_either(body, "generationConfig", "generation_config"))
        return PromptCall(
            operation=operation,
            model=model,
            streaming=target["verb"] == "streamGenerateContent" and _as_events(request.query),
            input_tokens=min(upper_bound(prompt, model=model) + media_tokens + overhead, CONTEXT_TOKENS),
            generates=operation == "generate_content",
            output_cap=count_of(_either(config, "maxOutputTokens", "max_output_tokens")),
            choices=max(1, count_of(_either(config, "candidateCount", "candidate_count")) or 1),
            about_input=estimate(prompt, model=model) + media_tokens,
        )

    def prepared(self, request: SentRequest, call: Call, *, output_cap: int | None) -> bytes:
        """The body with `generationConfig.maxOutputTokens` at most `output_cap`; a lower own one stays."""
        if output_cap is None or not call.generates:
            return request.body
        if call.output_cap is not None and call.output_cap <= output_cap:
            return request.body
        fields = fields_of(request.body)
        if fields is None:
            return request.body
        name = "generation_config" if "generation_config" in fields else "generationConfig"
        config = fields_of(bytes(fields[name])) if name in fields else None
        # Both spellings of a field are read: the other one must not stand beside ours.
        capped = {key: value for key, value in (config or {}).items() if key != "max_output_tokens"}
        return msgspec.json.encode(fields | {name: capped | {"maxOutputTokens": output_cap}})

    def reader(self, call: Call) -> Reader:
        """A reader for an answer of this operation."""
        return GeminiReader(call)


class GeminiReader:
    """Reads `usageMetadata`, whose counts in a stream are totals so far: the last ones count.

    Input is the prompt, which includes cached content, and what tools brought in; output is the candidates
    and the thoughts. Text that came after the last count of candidates is counted here.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._model = ""
        self._usage = _Usage()
        self._uncounted: list[str] = []
        self._images = 0
        self._failed = False
        self._complete = False

    def whole(self, body: bytes) -> None:
        """Take an answer in one body: an object, or the array that a stream is without `alt=sse`."""
        answer = decoded(body, _answers)
        self._complete = answer is not None or not _is_array(body)
        parts = _opening_of(body) if answer is None else answer if isinstance(answer, list) else [answer]
        for part in parts:
            self._take(part)

    def event(self, data: bytes) -> bool:
        """Take one chunk of a stream; the caller sees all of them."""
        answer = decoded(data, _answers)
        if isinstance(answer, _Answer):
            self._take(answer)
        return True

    def reading(self) -> Reading:
        """What was consumed as far as was seen."""
        if self._call.operation == IMAGES:
            return Reading(units=Units(images=self._images), complete=self._complete)
        usage = self._usage
        said = usage.prompt_token_count is not None
        if self._failed and not said and not self._uncounted:
            return Reading(complete=self._complete)
        prompt = usage.prompt_token_count if said else about_input(self._call)
        output = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
        output += estimate("".join(self._uncounted), model=self._model)
        return Reading(
            response_model=self._model,
            input_tokens=None if prompt is None else prompt + (usage.tool_use_prompt_token_count or 0),
            cached_input_tokens=usage.cached_content_token_count if said else None,
            output_tokens=output if self._call.generates else None,
            reasoning_tokens=usage.thoughts_token_count if self._call.generates else None,
            estimated=not said or bool(self._uncounted),
            complete=self._complete,
        )

    def _take(self, answer: _Answer) -> None:
        self._failed = self._failed or bool(bytes(answer.error))
        self._model = answer.model_version or self._model
        candidates = answer.candidates or []
        self._uncounted.extend(text for candidate in candidates for text in _texts(candidate))
        if answer.usage_metadata is not None:
            merge(self._usage, answer.usage_metadata)
            if answer.usage_metadata.candidates_token_count is not None:
                self._uncounted.clear()
        if answer.predictions is not None:
            self._take_predictions(answer.predictions)
        blocked = answer.prompt_feedback is not None and answer.prompt_feedback.block_reason is not None
        ended = any(candidate.finish_reason is not None for candidate in candidates)
        self._complete = self._complete or blocked or ended

    def _take_predictions(self, predictions: list[_Prediction]) -> None:
        """Images, or on Vertex AI embeddings; a filtered image is a prediction without a type."""
        self._images += sum((prediction.mime_type or "").startswith("image/") for prediction in predictions)
        counted = [prediction.embeddings.statistics for prediction in predictions if prediction.embeddings]
        tokens = [count_of(statistics.token_count) for statistics in counted if statistics]
        if tokens:
            self._usage.prompt_token_count = sum(count or 0 for count in tokens)


def _model_of(target: re.Match[str]) -> str:
    """The model as the price book knows it; another vendor's model on Vertex AI keeps the vendor's name."""
    if target["kind"] == "tunedModels":
        return f"tunedModels/{target['model']}"
    publisher = target["publisher"]
    return target["model"] if publisher in (None, "google") else f"{publisher}/{target['model']}"


def _as_events(query: str) -> bool:
    parameters = parse_qs(query)
    return "sse" in (*parameters.get("alt", ()), *parameters.get("$alt", ()))


def _either(body: dict[str, Any], camel: str, snake: str) -> Any:
    """A field under either of the two names Google reads it by."""
    return body[camel] if camel in body else body.get(snake)


def _images_asked(body: dict[str, Any]) -> Units:
    asked = count_of(object_in(body.get("parameters")).get("sampleCount"))
    return Units(images=IMAGES_OF_A_CALL if asked is None else asked)


def _set_media_aside(body: dict[str, Any]) -> int:
    """The most tokens that media and cached content of `body` can be; the media's bytes are taken out."""
    unseen = CONTEXT_TOKENS if _either(body, "cachedContent", "cached_content") else 0
    return unseen + sum(_media_tokens(part) for part in objects_within(body))


def _media_tokens(part: dict[str, Any]) -> int:
    blob = object_in(_either(part, "inlineData", "inline_data"))
    file = object_in(_either(part, "fileData", "file_data"))
    kind = text_of(_either(blob or file, "mimeType", "mime_type"))
    if not blob and not file:
        return 0
    return media_bound(kind, data=text_of(blob.pop("data", None)) if blob else None)


def media_bound(kind: str, *, data: str | None) -> int:
    """The most tokens a file of this media type is; without its base64 `data` its length is not known."""
    if kind.startswith("image/"):
        return IMAGE_TOKENS
    if data is None:
        return CONTEXT_TOKENS
    return PAGE_TOKENS * pdf_pages(data) if kind == "application/pdf" else len(data) // MEDIA_BYTES_PER_TOKEN


def _texts(candidate: _Candidate) -> Iterator[str]:
    """What a candidate says: texts, thoughts and calls of functions."""
    parts = candidate.content.parts if candidate.content is not None else None
    for part in parts or ():
        if part.text:
            yield part.text
        if bytes(part.function_call):
            yield bytes(part.function_call).decode(errors="replace")


def _is_array(body: bytes) -> bool:
    return body.lstrip().startswith(b"[")


def _opening_of(body: bytes) -> Iterator[_Answer]:
    """The complete chunks of an array that broke off."""
    text = body.decode(errors="replace").lstrip().removeprefix("[") if _is_array(body) else ""
    decoder = json.JSONDecoder()
    while text := text.lstrip(", \r\n\t"):
        try:
            chunk, end = decoder.raw_decode(text)
            yield msgspec.convert(chunk, _Answer)
        except (ValueError, *UNREADABLE):
            return
        text = text[end:]
