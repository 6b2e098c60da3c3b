"""What answers in OpenAI's formats say was consumed, whole or as a stream of events."""

from dataclasses import dataclass
from typing import Any

from usage.events import NO_UNITS, Units
from usage.wire import tokens
from usage.wire.base import Reading
from usage.wire.bodies import object_in, text_of
from usage.wire.openai_requests import OpenAICall
from usage.wire.openai_values import bounded_count, leaves, objects, read_object, seconds

# What stands beside the generated text in a chat's choices and a response's items.
BESIDE_TEXT = frozenset(
    {"role", "type", "id", "call_id", "status", "object", "phase", "finish_reason", "logprobs", "annotations"}
    | {"signature", "encrypted_content", "reasoning_details", "data", "result", "index"}
)
DONE = b"[DONE]"
FINAL_EVENTS = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
# A response that goes on at the provider after its answer.
UNFINISHED = frozenset({"queued", "in_progress"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The counts of a `usage` object, whichever names it has; parts never exceed their totals."""

    input: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None


def tokens_of(usage: dict[str, Any]) -> Tokens | None:
    """The tokens in `usage`, or None when it counts none.

    Some providers behind routers count reasoning beside `completion_tokens`, which `total_tokens` shows.
    """
    given = _first(usage, "prompt_tokens", "input_tokens")
    made = _first(usage, "completion_tokens", "output_tokens")
    if given is None and made is None:
        return None
    within = object_in(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    made_of = object_in(usage.get("completion_tokens_details") or usage.get("output_tokens_details"))
    cached, written = (
        bounded_count(within.get("cached_tokens")),
        bounded_count(within.get("cache_write_tokens")),
    )
    reasoning, total = (
        bounded_count(made_of.get("reasoning_tokens")),
        bounded_count(usage.get("total_tokens")),
    )
    if reasoning and total == (given or 0) + (made or 0) + reasoning:
        made = (made or 0) + reasoning
    return Tokens(
        input=max(given or 0, (cached or 0) + (written or 0)),
        cached=cached,
        cache_write=written,
        output=None if made is None and reasoning is None else max(made or 0, reasoning or 0),
        reasoning=reasoning,
    )


def _first(usage: dict[str, Any], *names: str) -> int | None:
    return next((found for name in names if (found := bounded_count(usage.get(name))) is not None), None)


class _TextReader:
    """What readers of generated text share: usage when it was said, else an estimate from what was seen."""

    def __init__(self, call: OpenAICall) -> None:
        self._call = call
        self._model = ""
        self._said: Tokens | None = None
        self._seen: list[str] = []
        self._units = NO_UNITS
        self._complete = False

    def reading(self) -> Reading:
        """The usage that was said; without it the input's estimate and the tokens of the text seen."""
        said = self._said or Tokens(input=self._call.about_input, output=self._seen_tokens())
        return Reading(
            response_model=self._model,
            input_tokens=said.input,
            cached_input_tokens=said.cached,
            cache_write_tokens=said.cache_write,
            output_tokens=said.output,
            reasoning_tokens=said.reasoning,
            units=self._units,
            estimated=self._said is None,
            complete=self._complete,
        )

    def _seen_tokens(self) -> int:
        return tokens.estimate("".join(self._seen), model=self._call.model)

    def _take(self, answer: dict[str, Any]) -> None:
        self._model = text_of(answer.get("model")) or self._model
        self._said = tokens_of(object_in(answer.get("usage"))) or self._said


class ChatReader(_TextReader):
    """Chat, text and fill-in-the-middle completions.

    `asked`: metering asked the stream for usage, so that the chunk which carries only that is kept back.
    """

    def __init__(self, call: OpenAICall, *, asked: bool) -> None:
        super().__init__(call)
        self._asked = asked
        self._units = call.about_units

    def whole(self, body: bytes) -> None:
        """Take a complete answer."""
        answer = read_object(body)
        self._take(answer)
        self._complete = True
        self._seen.extend(leaves(answer.get("choices"), skip=BESIDE_TEXT))

    def event(self, data: bytes) -> bool:
        """Take one chunk; False for the chunk of usage alone that the caller did not ask for."""
        if data.strip() == DONE:
            self._complete = True
            return True
        chunk = read_object(data)
        self._take(chunk)
        choices = objects(chunk.get("choices"))
        self._seen.extend(leaves(choices, skip=BESIDE_TEXT))
        said = tokens_of(object_in(chunk.get("usage"))) is not None
        if said and all(choice.get("finish_reason") for choice in choices):
            self._complete = True
        return not (self._asked and said and not choices)


class ResponseReader(_TextReader):
    """The responses API; also its answers that come before the response is done (background mode)."""

    def __init__(self, call: OpenAICall) -> None:
        super().__init__(call)
        self._searches = 0
        self._goes_on_up_to: int | None = None
        self._failed = False

    def whole(self, body: bytes) -> None:
        """Take a complete answer."""
        self._complete = True
        self._take_response(read_object(body))

    def event(self, data: bytes) -> bool:
        """Take one event; every one is the caller's."""
        event = read_object(data)
        kind = text_of(event.get("type"))
        if kind in FINAL_EVENTS:
            self._complete = True
            self._seen.clear()
        elif kind.endswith(".delta") and kind != "response.audio.delta":
            self._seen.append(text_of(event.get("delta")))
        elif kind == "response.output_item.done":
            self._count_searches([object_in(event.get("item"))])
        if "response" in event:
            self._take_response(object_in(event["response"]))
        return True

    def reading(self) -> Reading:
        """As of any text. A response that goes on without us is estimated at the most it can write; one that
        failed without usage was not charged.
        """
        if self._failed and self._said is None:
            return Reading(response_model=self._model, complete=self._complete)
        if self._searches:
            self._units = Units(searches=self._searches)
        return super().reading()

    def _seen_tokens(self) -> int:
        return max(super()._seen_tokens(), self._goes_on_up_to or 0)

    def _take_response(self, response: dict[str, Any]) -> None:
        self._take(response)
        items = objects(response.get("output"))
        if items:
            self._searches = 0
            self._count_searches(items)
            self._seen.extend(leaves(items, skip=BESIDE_TEXT))
        self._failed = response.get("status") == "failed"
        goes_on = response.get("background") is True and response.get("status") in UNFINISHED
        self._goes_on_up_to = bounded_count(response.get("max_output_tokens")) if goes_on else None

    def _count_searches(self, items: list[dict[str, Any]]) -> None:
        """Searches of the web are charged each; opening a page found is not."""
        calls = [item for item in items if item.get("type") == "web_search_call"]
        self._searches += sum(
            object_in(item.get("action")).get("type", "search") == "search" for item in calls
        )


class QuantityReader:
    """Answers that are no text: embeddings, pictures, speech, transcripts, pages.

    A stream of these says its usage in its last event; an answer without usage is as the request said.
    """

    def __init__(self, call: OpenAICall) -> None:
        self._call = call
        self._model = ""
        self._usage: dict[str, Any] = {}
        self._images: int | None = None
        self._transcript = ""
        self._complete = False

    def whole(self, body: bytes) -> None:
        """Take a complete answer; sound is not looked into."""
        self._complete = True
        if self._call.endpoint != "audio/speech":
            self._take(read_object(body))

    def event(self, data: bytes) -> bool:
        """Take one event; every one is the caller's."""
        event = read_object(data)
        kind = text_of(event.get("type"))
        self._take(event)
        if kind.endswith((".completed", ".done")) or data.strip() == DONE:
            self._complete = True
        if kind.startswith("image_") and kind.endswith(".completed"):
            self._images = (self._images or 0) + 1
        return True

    def reading(self) -> Reading:
        """What was said, and beside it the units as asked for."""
        said = tokens_of(self._usage)
        units, told = self._units()
        counted = said or Tokens(
            input=self._call.about_input if self._call.input_tokens is not None else None,
            output=self._output(),
        )
        return Reading(
            response_model=self._model,
            input_tokens=counted.input,
            cached_input_tokens=counted.cached,
            cache_write_tokens=counted.cache_write,
            output_tokens=counted.output,
            reasoning_tokens=counted.reasoning,
            units=units,
            estimated=said is None and not told,
            complete=self._complete,
        )

    def _take(self, answer: dict[str, Any]) -> None:
        self._model = text_of(answer.get("model")) or self._model
        self._usage = object_in(answer.get("usage") or answer.get("usage_info")) or self._usage
        self._transcript = text_of(answer.get("text")) or self._transcript
        if "duration" in answer and "seconds" not in self._usage:
            self._usage = {**self._usage, "seconds": answer["duration"]}
        if self._call.units.images is not None and isinstance(answer.get("data"), list):
            self._images = len(answer["data"])

    def _output(self) -> int | None:
        """Tokens of an output whose usage nobody told."""
        if self._transcript and self._call.output_cap is not None:
            return tokens.estimate(self._transcript, model=self._call.model)
        return self._call.about_output

    def _units(self) -> tuple[Units, bool]:
        """The units, and whether they are facts that need no estimate of tokens beside them."""
        asked = self._call.about_units
        if asked.images is not None:
            return Units(images=asked.images if self._images is None else self._images), False
        if asked.pages is not None:
            pages = bounded_count(self._usage.get("pages_processed"))
            return Units(pages=asked.pages if pages is None else pages), pages is not None
        if asked.seconds is not None:
            heard = seconds(self._usage.get("seconds") or self._usage.get("prompt_audio_seconds"))
            return Units(seconds=asked.seconds if heard is None else heard), heard is not None
        return asked, asked.characters is not None and self._call.input_tokens is None
