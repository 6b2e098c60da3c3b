"""Google's Interactions API, which stands beside `generateContent` on the same host.

Interactions with an agent name no model, so that no price is found for them. Those in the background are
jobs: their start is estimated from what was sent; report the rest as an event whose id is the interaction's.
"""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from usage.events import Count
from usage.wire.base import Call, Reader, Reading, SentRequest
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
    text_of,
)
from usage.wire.gemini import CONTENT_TOKENS, CONTEXT_TOKENS, GeminiWire, media_bound
from usage.wire.tokens import estimate, upper_bound

_PATH = re.compile(r"/v\d\w*/interactions/?")
# Of a content without a media type, the type of what it is.
_KINDS = {"image": "image/", "document": "application/pdf", "audio": "audio/", "video": "video/"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionCall(PromptCall):
    """A call of this API, told apart from those of the models' own endpoints."""


class _Usage(msgspec.Struct):
    total_input_tokens: Count | None = None
    total_tool_use_tokens: Count | None = None
    total_cached_tokens: Count | None = None
    total_output_tokens: Count | None = None
    total_thought_tokens: Count | None = None


class _Interaction(msgspec.Struct):
    model: str | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = NOTHING
    steps: msgspec.Raw = NOTHING


class _Delta(msgspec.Struct):
    text: str | None = None
    arguments: str | None = None


class _Event(msgspec.Struct):
    event_type: str = ""
    interaction: _Interaction | None = None
    delta: _Delta | None = None


_interactions = msgspec.json.Decoder(_Interaction)
_events = msgspec.json.Decoder(_Event)


class GoogleWire(GeminiWire):
    """Everything metered on Google's hosts: models' own endpoints, and `POST /interactions`."""

    def call_of(self, request: SentRequest) -> Call | None:
        """What a request asks for."""
        if request.method != "POST" or not _PATH.fullmatch(request.path):
            return super().call_of(request)
        body = object_of(request.body)
        model = text_of(body.get("model")).removeprefix("models/")
        media_tokens = sum(_media_tokens(content) for content in objects_within(body))
        prompt = encoded(body) if body else request.body
        unseen = CONTEXT_TOKENS if body.get("previous_interaction_id") or body.get("cached_content") else 0
        overhead = CONTENT_TOKENS * (2 + len(list_in(body.get("input"))))
        most = upper_bound(prompt, model=model) + media_tokens + overhead + unseen
        return InteractionCall(
            operation="generate_content",
            model=model,
            streaming=body.get("stream") is True,
            input_tokens=min(most, CONTEXT_TOKENS),
            generates=True,
            output_cap=count_of(object_in(body.get("generation_config")).get("max_output_tokens")),
            about_input=estimate(prompt, model=model) + media_tokens,
        )

    def prepared(self, request: SentRequest, call: Call, *, output_cap: int | None) -> bytes:
        """The body with the cap in its configuration; a lower one of its own stays."""
        if not isinstance(call, InteractionCall):
            return super().prepared(request, call, output_cap=output_cap)
        fields = fields_of(request.body)
        if output_cap is None or fields is None:
            return request.body
        if call.output_cap is not None and call.output_cap <= output_cap:
            return request.body
        config = fields_of(bytes(fields.get("generation_config", NOTHING))) or {}
        return msgspec.json.encode(fields | {"generation_config": config | {"max_output_tokens": output_cap}})

    def reader(self, call: Call) -> Reader:
        """A reader for an answer of the API that was called."""
        return InteractionReader(call) if isinstance(call, InteractionCall) else super().reader(call)


class InteractionReader:
    """Reads `usage`; in a stream `interaction.completed` brings it, and until then text is counted here."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._model = ""
        self._usage = _Usage()
        self._uncounted: list[str] = []
        self._failed = False
        self._complete = False

    def whole(self, body: bytes) -> None:
        """Take an interaction that was not streamed, or an error."""
        self._complete = True
        interaction = decoded(body, _interactions)
        if interaction is not None:
            self._uncounted.append(bytes(interaction.steps).decode(errors="replace"))
            self._take(interaction)

    def event(self, data: bytes) -> bool:
        """Take one event of a streamed interaction; the caller sees all of them."""
        event = decoded(data, _events)
        if event is None:
            return True
        self._failed = self._failed or event.event_type == "error"
        self._complete = self._complete or event.event_type == "interaction.completed"
        if event.delta is not None:
            self._uncounted.extend(text for text in (event.delta.text, event.delta.arguments) if text)
        if event.interaction is not None:
            self._take(event.interaction)
        return True

    def reading(self) -> Reading:
        """What was consumed as far as was seen."""
        usage, uncounted = self._usage, "".join(self._uncounted)
        said = usage.total_input_tokens is not None
        if self._failed and not said and not uncounted:
            return Reading(complete=self._complete)
        sent = usage.total_input_tokens if said else about_input(self._call)
        output = (usage.total_output_tokens or 0) + (usage.total_thought_tokens or 0)
        return Reading(
            response_model=self._model,
            input_tokens=None if sent is None else sent + (usage.total_tool_use_tokens or 0),
            cached_input_tokens=usage.total_cached_tokens if said else None,
            output_tokens=output + estimate(uncounted, model=self._model),
            reasoning_tokens=usage.total_thought_tokens,
            estimated=not said or bool(uncounted),
            complete=self._complete,
        )

    def _take(self, interaction: _Interaction) -> None:
        self._failed = self._failed or bool(bytes(interaction.error))
        self._model = (interaction.model or self._model).removeprefix("models/")
        if interaction.usage is not None:
            merge(self._usage, interaction.usage)
            if interaction.usage.total_output_tokens is not None:
                self._uncounted.clear()


def _media_tokens(content: dict[str, Any]) -> int:
    """The most tokens a content is when it is no text; its bytes are taken out of it."""
    kind = _KINDS.get(text_of(content.get("type")), "")
    if not kind or not ("data" in content or "uri" in content):
        return 0
    data = content.pop("data", None)
    return media_bound(text_of(content.get("mime_type")) or kind, data=text_of(data) if data else None)
