"""Anthropic's Messages API.

Message batches are not metered here: their usage stands in a results file that may be fetched any number of
times. Report each result as an event of request type `batch` whose id is its `custom_id`; reading the file
again then counts nothing twice.
"""

from typing import Any

import msgspec

from usage.events import NO_UNITS, Count, Units
from usage.wire.base import Call, Reading, SentRequest
from usage.wire.bodies import (
    NOTHING,
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

MESSAGES = "/v1/messages"
# The longest prompt any model takes; a longer one is refused and costs nothing.
CONTEXT_TOKENS = 1_000_000
# Roles and turn marks around a message.
MESSAGE_TOKENS = 16
# The system prompt that comes with tools, and the definition of each tool that Anthropic itself defines; the
# tool use overview lists at most some 800 tokens for either.
TOOLS_TOKENS = 1_000
# An image is scaled down to at most this many tokens (platform.claude.com/docs/en/build-with-claude/vision).
IMAGE_TOKENS = 4_784
# A PDF's page is read as an image and as 1,500 to 3,000 tokens of text (…/build-with-claude/pdf-support).
PAGE_TOKENS = IMAGE_TOKENS + 3_000
# A document named by file id or address: its pages are not seen here. This many are allowed to most models.
UNSEEN_PAGES = 100
# Searches of a turn that sets no `max_uses`. What is found becomes input that nobody knows before, so that a
# call with server tools can come out above its hold.
SEARCHES_OF_A_TURN = 10
# Entries of `usage.iterations` that the totals beside it leave out.
BESIDE_THE_TOTALS = frozenset({"compaction", "advisor_message"})


class _Details(msgspec.Struct):
    thinking_tokens: Count | None = None


class _ServerTools(msgspec.Struct):
    web_search_requests: Count | None = None


class _Counts(msgspec.Struct):
    type: str = ""
    input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    output_tokens: Count | None = None


class _Usage(_Counts):
    output_tokens_details: _Details | None = None
    server_tool_use: _ServerTools | None = None
    iterations: list[_Counts] | None = None


class _Message(msgspec.Struct):
    type: str = ""
    model: str = ""
    usage: _Usage | None = None
    content: msgspec.Raw = NOTHING


class _Delta(msgspec.Struct):
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None


_messages = msgspec.json.Decoder(_Message)
_events = msgspec.json.Decoder(_Event)


class AnthropicWire:
    """Reads `POST /v1/messages`, streamed or not; counting tokens and lists of models are not metered."""

    def call_of(self, request: SentRequest) -> Call | None:
        """What a message request asks for."""
        if request.method != "POST" or request.path.rstrip("/") != MESSAGES:
            return None
        body = object_of(request.body)
        model = text_of(body.get("model"))
        media_tokens = _set_media_aside(body)
        prompt = encoded(body) if body else request.body
        overhead = MESSAGE_TOKENS * (1 + len(list_in(body.get("messages")))) + _tools_tokens(body)
        return PromptCall(
            operation="chat",
            model=model,
            streaming=body.get("stream") is True,
            input_tokens=min(upper_bound(prompt, model=model) + media_tokens + overhead, CONTEXT_TOKENS),
            generates=True,
            output_cap=count_of(body.get("max_tokens")),
            units=_searches_at_most(body),
            about_input=estimate(prompt, model=model) + media_tokens,
        )

    def prepared(self, request: SentRequest, call: Call, *, output_cap: int | None) -> bytes:
        """The body with `max_tokens` at most `output_cap`; a lower one of its own stays."""
        fields = fields_of(request.body)
        if output_cap is None or fields is None:
            return request.body
        if call.output_cap is not None and call.output_cap <= output_cap:
            return request.body
        return msgspec.json.encode(fields | {"max_tokens": output_cap})

    def reader(self, call: Call) -> "AnthropicReader":
        """A reader for a message, whole or streamed."""
        return AnthropicReader(call)


class AnthropicReader:
    """Reads a message's `usage`.

    Its `input_tokens` leave the cache out: the total is input + cache writes + cache reads. In a stream
    `message_start` counts the input and each `message_delta` says the totals so far; text after which no
    `message_delta` came is counted here.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._model = ""
        self._usage = _Usage()
        self._said = False
        self._output_said = False
        self._failed = False
        self._complete = False
        self._text: list[str] = []

    def whole(self, body: bytes) -> None:
        """Take a message that was not streamed, or an error."""
        self._complete = True
        message = decoded(body, _messages)
        if message is None:
            return
        self._failed = message.type == "error"
        self._take(message)
        self._output_said = message.usage is not None and message.usage.output_tokens is not None
        if not self._output_said:
            self._text.append(bytes(message.content).decode(errors="replace"))

    def event(self, data: bytes) -> bool:
        """Take one event of a streamed message; the caller sees all of them."""
        event = decoded(data, _events)
        if event is None:
            return True
        self._failed = self._failed or event.type == "error"
        self._complete = self._complete or event.type == "message_stop"
        if event.message is not None:
            self._take(event.message)
        if event.delta is not None:
            seen = (event.delta.text, event.delta.thinking, event.delta.partial_json)
            self._text.extend(text for text in seen if text)
        if event.usage is not None:
            self._add(event.usage)
            self._output_said = event.usage.output_tokens is not None
        return True

    def reading(self) -> Reading:
        """What was consumed as far as was seen."""
        if self._failed and not self._said:
            return Reading(complete=self._complete)
        if not self._said:
            return Reading(
                response_model=self._model,
                input_tokens=about_input(self._call),
                output_tokens=self._estimated_output(),
                estimated=True,
                complete=self._complete,
            )
        return self._counted()

    def _take(self, message: _Message) -> None:
        self._model = message.model
        if message.usage is not None:
            self._add(message.usage)

    def _add(self, usage: _Usage) -> None:
        """Let what `usage` says replace what was said before; what it leaves out stays."""
        self._said = True
        merge(self._usage, usage)

    def _counted(self) -> Reading:
        usage = self._usage
        parts = [usage, *(entry for entry in usage.iterations or () if entry.type in BESIDE_THE_TOTALS)]
        cached = sum(part.cache_read_input_tokens or 0 for part in parts)
        written = sum(part.cache_creation_input_tokens or 0 for part in parts)
        output = sum(part.output_tokens or 0 for part in parts)
        if not self._output_said:
            output = max(output, self._estimated_output())
        details = usage.output_tokens_details
        thinking = None if details is None else details.thinking_tokens
        return Reading(
            response_model=self._model,
            input_tokens=sum(part.input_tokens or 0 for part in parts) + cached + written,
            cached_input_tokens=cached,
            cache_write_tokens=written,
            output_tokens=output,
            reasoning_tokens=None if thinking is None else min(thinking, output),
            units=_searches_of(usage),
            estimated=not self._output_said,
            complete=self._complete,
        )

    def _estimated_output(self) -> int:
        return estimate("".join(self._text), model=self._model)


def _searches_of(usage: _Usage) -> Units:
    tools = usage.server_tool_use
    return Units(searches=tools.web_search_requests) if tools and tools.web_search_requests else NO_UNITS


def _searches_at_most(body: dict[str, Any]) -> Units:
    tools = [object_in(tool) for tool in list_in(body.get("tools"))]
    searching = [tool for tool in tools if text_of(tool.get("type")).startswith("web_search")]
    if not searching:
        return NO_UNITS
    limits = (count_of(tool.get("max_uses")) for tool in searching)
    return Units(searches=sum(SEARCHES_OF_A_TURN if limit is None else limit for limit in limits))


def _tools_tokens(body: dict[str, Any]) -> int:
    tools = [object_in(tool) for tool in list_in(body.get("tools"))]
    defined_by_anthropic = sum(tool.get("type") not in (None, "custom") for tool in tools)
    return TOOLS_TOKENS * (1 + defined_by_anthropic) if tools else 0


def _set_media_aside(body: dict[str, Any]) -> int:
    """The most tokens the images and documents in `body` can be; their bytes are taken out of it."""
    return sum(_media_tokens(block) for block in objects_within(body))


def _media_tokens(block: dict[str, Any]) -> int:
    source = object_in(block.get("source"))
    if block.get("type") == "image":
        source.pop("data", None)
        return IMAGE_TOKENS
    if block.get("type") != "document" or source.get("type") in ("text", "content"):
        return 0
    data = text_of(source.pop("data", None))
    return PAGE_TOKENS * (pdf_pages(data) if data else UNSEEN_PAGES)
