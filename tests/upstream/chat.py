"""The chat completions shape that OpenAI made and others speak too."""

from typing import Any

from tests.upstream.script import (
    DONE,
    Answer,
    Received,
    Script,
    Tokens,
    consumed,
    data_event,
    spoken,
    stream,
    whole,
)

CREATED = 1_773_576_000


def answer(request: Received, script: Script, *, model: str) -> Answer:
    """A chat completion by `model`, or its chunks; the usage chunk only where the request asks for it."""
    asked = request.json
    head = {"id": "chatcmpl-9", "created": CREATED, "model": model}
    words = spoken(script, cap=asked.get("max_completion_tokens", asked.get("max_tokens")))
    usage = usage_of(consumed(script, question=question(asked), words=words)) if script.tells_usage else None
    ending = "stop" if words == script.words else "length"
    if not asked.get("stream"):
        return whole(completion(head, words=words, ending=ending, choices=asked.get("n", 1), usage=usage))
    wanted = usage if (asked.get("stream_options") or {}).get("include_usage") else None
    return stream(*chunks(head, words=words, ending=ending, usage=wanted), DONE)


def question(asked: dict[str, Any]) -> str:
    """The text of all messages."""
    return " ".join(message["content"] for message in asked["messages"])


def usage_of(tokens: Tokens) -> dict[str, Any]:
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def completion(
    head: dict[str, Any], *, words: tuple[str, ...], ending: str, choices: int, usage: dict[str, Any] | None
) -> dict[str, Any]:
    """A whole answer with `choices` equal choices."""
    message = {"role": "assistant", "content": "".join(words), "refusal": None}
    said = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": ending}
        for index in range(choices)
    ]
    told = {} if usage is None else {"usage": usage}
    return {**head, "object": "chat.completion", "choices": said, **told}


def chunks(
    head: dict[str, Any], *, words: tuple[str, ...], ending: str, usage: dict[str, Any] | None
) -> list[bytes]:
    """The role, the words, the reason it ended; then, where wanted, the usage in a chunk without choices."""
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in words)]
    parts = [*((delta, None) for delta in deltas), ({}, ending)]
    unsaid = {} if usage is None else {"usage": None}
    said = [
        {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}], **unsaid}
        for delta, reason in parts
    ]
    last: list[dict[str, Any]] = [] if usage is None else [{"choices": [], "usage": usage}]
    return [data_event({**head, "object": "chat.completion.chunk", **part}) for part in [*said, *last]]
