"""The wire of OpenAI, and of everybody who speaks as it does."""

from dataclasses import dataclass
from typing import Any, Literal

from usage.wire.base import Call, Reader, SentRequest
from usage.wire.bodies import count_of, object_in
from usage.wire.openai_answers import ChatReader, QuantityReader, ResponseReader
from usage.wire.openai_requests import CHAT_CAPS, OpenAICall, endpoint_of, read_request
from usage.wire.openai_values import replaced
from usage.wire.openai_windows import context_window, serves

CHATS = frozenset({"chat/completions", "fim/completions", "agents/completions"})
# Streams that say their usage only when `stream_options.include_usage` asks for it.
ASKED_STREAMS = frozenset({"chat/completions", "completions"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIWire:
    """Requests and answers in OpenAI's formats.

    `price_list` is the provider's id in genai-prices, which knows the models' context windows. `cap_name` is
    the field that caps a chat whose request names none. `asks_streams`: a stream is asked for its usage,
    because the provider does not send it anyway. `serving_in_path`: a router's path may name the serving
    provider, which its model names then lack.
    """

    price_list: str = ""
    cap_name: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    asks_streams: bool = True
    serving_in_path: bool = False

    def call_of(self, request: SentRequest) -> Call | None:
        """What `request` asks for, or None where nothing is metered."""
        return read_request(
            request,
            price_list=self.price_list,
            serving=self._serving(request) if self.serving_in_path else "",
        )

    def prepared(self, request: SentRequest, call: Call, *, output_cap: int | None) -> bytes:
        """The body with the cap written where the request names none or a higher one, and usage asked for."""
        endpoint = endpoint_of(request)
        if endpoint is None or not call.generates:
            return request.body

        def changes(body: dict[str, Any]) -> dict[str, Any]:
            changed = {} if output_cap is None else self._caps(body, call, endpoint=endpoint, most=output_cap)
            if self._asks(call, endpoint=endpoint):
                changed["stream_options"] = {**object_in(body.get("stream_options")), "include_usage": True}
            return changed

        return replaced(request.body, changes)

    def reader(self, call: Call) -> Reader:
        """A reader for the answer to `call`, which must be one this wire made."""
        if not isinstance(call, OpenAICall):
            raise TypeError("call must come from this wire's call_of")
        if call.endpoint.startswith("responses"):
            return ResponseReader(call)
        if call.generates:
            return ChatReader(call, asked=self._asks(call, endpoint=call.endpoint))
        return QuantityReader(call)

    def _asks(self, call: Call, *, endpoint: str) -> bool:
        """Whether metering asks this stream for its usage because the caller did not."""
        asked = isinstance(call, OpenAICall) and call.asks_for_usage
        return self.asks_streams and endpoint in ASKED_STREAMS and call.streaming and not asked

    def _caps(self, body: dict[str, Any], call: Call, *, endpoint: str, most: int) -> dict[str, Any]:
        """The caps to write: over the request's own where these are higher, else into the usual field."""
        names = CHAT_CAPS if endpoint in CHATS else (_cap_name(endpoint),)
        own = [name for name in names if body.get(name) is not None]
        if not own:
            name = self.cap_name if endpoint in CHATS else names[0]
            return {name: self._fitting(call, most=most)}
        return {name: most for name in own if (cap := count_of(body[name])) is None or cap > most}

    def _fitting(self, call: Call, *, most: int) -> int:
        """`most`, or what the input leaves of the context window: many providers refuse a cap beyond it."""
        window = context_window(call.model, price_list=self.price_list)
        about = call.about_input if isinstance(call, OpenAICall) else call.input_tokens or 0
        return most if window is None or about >= window else min(most, window - about)

    def _serving(self, request: SentRequest) -> str:
        """The serving provider of `/groq/openai/v1/chat/completions`; empty where the model names it."""
        first = request.path.lstrip("/").partition("/")[0]
        return first if serves(first, price_list=self.price_list) else ""


def _cap_name(endpoint: str) -> str:
    return "max_output_tokens" if endpoint.startswith("responses") else "max_tokens"
