"""What requests in OpenAI's formats ask for."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from usage.events import MAX_COUNT, NO_UNITS, Units
from usage.wire import tokens
from usage.wire.base import Call, SentRequest
from usage.wire.bodies import list_in, object_in, text_of
from usage.wire.openai_content import input_size, picture_tokens, runs_tools
from usage.wire.openai_forms import FormField, form_fields
from usage.wire.openai_values import bounded_count, read_object, seconds
from usage.wire.openai_windows import most_input

# A search the provider runs itself is charged apart. A request that names no `max_tool_calls` is held for
# this many; what is searched beyond is recorded all the same.
HELD_SEARCHES = 10
# gpt-image's dearest square pixel: 6 240 tokens for 1536 × 1024 at high quality, and 100 for a partial image
# (developers.openai.com/api/docs/guides/image-generation). A size left out is never larger than that.
DEAREST_IMAGE_TOKENS = 6_240
DEAREST_IMAGE_PIXELS = 1_536 * 1_024
PARTIAL_IMAGE_TOKENS = 100
# Speech by models that charge tokens: about 21 audio tokens a second, in which some 15 characters are read.
SPEECH_TOKENS_PER_CHARACTER = 4
USUAL_SPEECH_TOKENS_PER_CHARACTER = 2
# The longest a recording of so many bytes can be is at 8 kbit/s; one of a usual rate, 32 kbit/s, is a fourth.
LOWEST_BYTES_PER_SECOND = 1_000
USUAL_BYTES_PER_SECOND = 4_000
SOUND_TOKENS_PER_SECOND = 13
# A recording that the request only points at is held as the longest that Mistral takes, three hours.
LONGEST_RECORDING_S = 3 * 3_600
# The longest text that the gpt-4o-transcribe models write.
MOST_TRANSCRIPT_TOKENS = 2_000
# The most pages Mistral reads in one call (docs.mistral.ai/capabilities/document_ai), for a document whose
# number of pages the request does not say.
MOST_PAGES = 1_000
# The names of a chat's cap; the first is OpenAI's today, the second everybody's before.
CHAT_CAPS = ("max_completion_tokens", "max_tokens")

_DEPLOYMENT = re.compile(r"/deployments/([^/]+)/")
_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAICall(Call):
    """A call and what reading its answer needs.

    `about_…` are the quantities to record when the answer is silent: the input's tokens, and of what is not
    text the output's tokens and the units too. `asks_for_usage`: the caller itself asked the stream for
    usage, so that it must see it.
    """

    endpoint: str
    about_input: int = 0
    about_output: int | None = None
    about_units: Units = NO_UNITS
    asks_for_usage: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A request's body as its fields, together with the model it names."""

    endpoint: str
    model: str
    body: dict[str, Any]
    files: tuple[FormField, ...] = ()
    price_list: str = ""


def read_request(request: SentRequest, *, price_list: str, serving: str = "") -> OpenAICall | None:
    """The metered call that `request` is, or None. An unreadable body gives a call without a model.

    `serving` is the provider a router's path names, to be added to a model that names none.
    """
    endpoint = endpoint_of(request)
    if endpoint is None:
        return None
    files: tuple[FormField, ...] = ()
    if request.content_type.lower().startswith("multipart/"):
        fields = form_fields(request.body, content_type=request.content_type)
        files = tuple(item for item in fields if item.file_bytes is not None)
        body: dict[str, Any] = {item.name: item.text for item in fields if item.file_bytes is None}
    else:
        body = read_object(request.body)
    model = text_of(body.get("model")) or _deployment(request.path)
    if serving and model and ":" not in model:
        model = f"{model}:{serving}"
    return ENDPOINTS[endpoint](
        Read(endpoint=endpoint, model=model, body=body, files=files, price_list=price_list)
    )


def endpoint_of(request: SentRequest) -> str | None:
    """The entry of ENDPOINTS that the path ends in, whatever gateway or deployment stands before it."""
    if request.method.upper() != "POST":
        return None
    path = request.path.rstrip("/")
    return next((endpoint for endpoint in ENDPOINTS if path.endswith("/" + endpoint)), None)


def _deployment(path: str) -> str:
    found = _DEPLOYMENT.search(path)
    return found.group(1) if found else ""


def _chat(read: Read) -> OpenAICall:
    caps = [bounded_count(read.body.get(name)) for name in CHAT_CAPS]
    call = _generation(read, operation="chat", caps=caps, choices=(read.body.get("n"),))
    if read.body.get("web_search_options") is not None or "-search-" in read.model:
        return replace(call, units=Units(searches=1), about_units=Units(searches=1))
    return call


def _completion(read: Read) -> OpenAICall:
    caps = [bounded_count(read.body.get("max_tokens"))]
    choices = (read.body.get("n"), read.body.get("best_of"))
    return _generation(
        read, operation="text_completion", caps=caps, choices=choices, prompts=_prompts(read.body)
    )


def _response(read: Read) -> OpenAICall:
    call = _generation(
        read, operation="chat", caps=[bounded_count(read.body.get("max_output_tokens"))], choices=()
    )
    if not runs_tools(read.body):
        return call
    searches = bounded_count(read.body.get("max_tool_calls"))
    return replace(call, units=Units(searches=HELD_SEARCHES if searches is None else searches))


def _generation(
    read: Read,
    *,
    operation: str,
    caps: list[int | None],
    choices: tuple[object, ...],
    prompts: int = 1,
) -> OpenAICall:
    size = input_size(read.body, model=read.model)
    named = [cap for cap in caps if cap is not None]
    most = max(size.at_most, most_input(read.model, price_list=read.price_list)) if size.open_ended else 0
    return OpenAICall(
        endpoint=read.endpoint,
        operation=operation,
        model=read.model,
        streaming=read.body.get("stream") is True,
        input_tokens=min(max(size.at_most, most), MAX_COUNT),
        about_input=min(size.about, MAX_COUNT),
        generates=True,
        output_cap=min(named) if named else None,
        choices=max(1, *(bounded_count(choice) or 1 for choice in (*choices, 1))) * prompts,
        asks_for_usage=object_in(read.body.get("stream_options")).get("include_usage") is True,
    )


def _prompts(body: dict[str, Any]) -> int:
    """How many prompts a completion is asked for: each of a list of them is completed."""
    prompt = body.get("prompt")
    several = isinstance(prompt, list) and prompt and not isinstance(prompt[0], int)
    return len(prompt) if isinstance(prompt, list) and several else 1


def _embedding(read: Read) -> OpenAICall:
    size = input_size(read.body, model=read.model)
    return OpenAICall(
        endpoint=read.endpoint,
        operation="embeddings",
        model=read.model,
        input_tokens=size.at_most,
        about_input=size.about,
    )


def _image(read: Read) -> OpenAICall:
    """Pictures. No field of the request caps their tokens; `output_cap` is the most that one can be."""
    wanted = bounded_count(read.body.get("n")) or 1
    most, usual = picture_tokens(read.model)
    size = input_size({"prompt": read.body.get("prompt")}, model=read.model)
    sent = len(read.files) or len(list_in(read.body.get("images")))
    return OpenAICall(
        endpoint=read.endpoint,
        operation="image_generation",
        model=read.model,
        streaming=read.body.get("stream") in (True, "true"),
        input_tokens=size.at_most + sent * most,
        about_input=size.about + sent * usual,
        output_cap=_image_tokens(read.body),
        about_output=wanted * _image_tokens(read.body),
        choices=wanted,
        units=Units(images=wanted),
        about_units=Units(images=wanted),
    )


def _image_tokens(body: dict[str, Any]) -> int:
    found = _SIZE.fullmatch(text_of(body.get("size")))
    pixels = int(found.group(1)) * int(found.group(2)) if found else DEAREST_IMAGE_PIXELS
    partial = (bounded_count(body.get("partial_images")) or 0) * PARTIAL_IMAGE_TOKENS
    return min(-(-DEAREST_IMAGE_TOKENS * pixels // DEAREST_IMAGE_PIXELS) + partial, MAX_COUNT)


def _speech(read: Read) -> OpenAICall:
    """Characters, for the models that charge them, and tokens, for those that charge these."""
    spoken = text_of(read.body.get("input"))
    said = spoken + text_of(read.body.get("instructions"))
    by_tokens = read.model.startswith("gpt-")
    units = Units(characters=min(len(spoken), MAX_COUNT))
    return OpenAICall(
        endpoint=read.endpoint,
        operation="text_to_speech",
        model=read.model,
        streaming=read.body.get("stream_format") == "sse",
        input_tokens=tokens.upper_bound(said, model=read.model) if by_tokens else None,
        about_input=tokens.estimate(said, model=read.model) if by_tokens else 0,
        output_cap=len(spoken) * SPEECH_TOKENS_PER_CHARACTER if by_tokens else None,
        about_output=len(spoken) * USUAL_SPEECH_TOKENS_PER_CHARACTER if by_tokens else None,
        units=units,
        about_units=units,
    )


def _transcription(read: Read) -> OpenAICall:
    """Seconds, for the models that charge them, and tokens, for those that charge these."""
    recorded = Decimal(sum(item.file_bytes or 0 for item in read.files))
    prompt = text_of(read.body.get("prompt"))
    usual = recorded / USUAL_BYTES_PER_SECOND
    longest = recorded / LOWEST_BYTES_PER_SECOND if read.files else Decimal(LONGEST_RECORDING_S)
    by_tokens = not read.model.startswith(("whisper", "gpt-transcribe"))
    heard = int(longest * SOUND_TOKENS_PER_SECOND) + tokens.upper_bound(prompt, model=read.model)
    return OpenAICall(
        endpoint=read.endpoint,
        operation="speech_to_text",
        model=read.model,
        streaming=text_of(read.body.get("stream")).lower() == "true",
        input_tokens=heard if by_tokens else None,
        about_input=int(usual * SOUND_TOKENS_PER_SECOND) if by_tokens else 0,
        output_cap=MOST_TRANSCRIPT_TOKENS if by_tokens else None,
        units=Units(seconds=seconds(longest)),
        about_units=Units(seconds=seconds(usual)),
    )


def _compaction(read: Read) -> OpenAICall:
    """A conversation made shorter: what is written is not longer than what is read."""
    call = _generation(read, operation="chat", caps=[], choices=())
    return replace(call, generates=False, output_cap=call.input_tokens)


def _document(read: Read) -> OpenAICall:
    pages = Units(pages=_pages(read.body))
    return OpenAICall(
        endpoint=read.endpoint, operation="ocr", model=read.model, units=pages, about_units=Units(pages=1)
    )


def _pages(body: dict[str, Any]) -> int:
    wanted, document = body.get("pages"), object_in(body.get("document"))
    if isinstance(wanted, list) and all(isinstance(page, int) for page in wanted):
        return len(wanted)
    single = isinstance(wanted, int) or document.get("type") == "image_url"
    return 1 if single else MOST_PAGES


# What a path can end in, longer endings first. Calls to anything else are not metered: most of it is free
# (models, files, moderations); what is not (realtime, videos, batches) has no answer that says its usage.
ENDPOINTS: dict[str, Callable[[Read], OpenAICall]] = {
    "chat/completions": _chat,
    "fim/completions": _chat,
    "agents/completions": _chat,
    "completions": _completion,
    "responses/compact": _compaction,
    "responses": _response,
    "embeddings": _embedding,
    "images/generations": _image,
    "images/edits": _image,
    "images/variations": _image,
    "audio/speech": _speech,
    "audio/transcriptions": _transcription,
    "audio/translations": _transcription,
    "ocr": _document,
}
