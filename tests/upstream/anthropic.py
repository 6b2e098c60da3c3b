"""Anthropic's messages, whole and streamed. Its `input_tokens` leave out what the cache read and wrote."""

from typing import Any

from tests.upstream.script import (
    Answer,
    Received,
    Script,
    Tokens,
    consumed,
    named_event,
    refusal,
    spoken,
    stream,
    whole,
)

ERROR_TYPES = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}


def answer(request: Received, script: Script) -> Answer:
    asked = request.json
    question = " ".join(str(message["content"]) for message in asked["messages"])
    if request.path == "/v1/messages/count_tokens":
        return whole({"input_tokens": len(question.split())})
    if request.path != "/v1/messages":
        return error(404)
    words = spoken(script, cap=asked["max_tokens"])
    tokens = consumed(script, question=question, words=words)
    ending = "end_turn" if words == script.words else "max_tokens"
    if asked.get("stream"):
        return stream(*_events(asked, words=words, ending=ending, tokens=tokens))
    content = [{"type": "text", "text": "".join(words)}]
    return whole(_message(asked, content=content, ending=ending, usage=_usage(tokens, output=tokens.output)))


def error(status: int) -> Answer:
    kind = ERROR_TYPES.get(status, "api_error")
    told = {"type": kind, "message": f"The upstream answered {status}."}
    return refusal(status, {"type": "error", "error": told, "request_id": "req_9"})


def _usage(tokens: Tokens, *, output: int) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input - tokens.cached - tokens.cache_write,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": output,
        "service_tier": "standard",
    }


def _message(
    asked: dict[str, Any], *, content: list[dict[str, Any]], ending: str | None, usage: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": "msg_9",
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "content": content,
        "stop_reason": ending,
        "stop_sequence": None,
        "usage": usage,
    }


def _events(asked: dict[str, Any], *, words: tuple[str, ...], ending: str, tokens: Tokens) -> list[bytes]:
    """The input is told at the start with a single output token; the end tells the whole output."""
    started = _message(asked, content=[], ending=None, usage=_usage(tokens, output=1))
    deltas = [{"index": 0, "delta": {"type": "text_delta", "text": word}} for word in words]
    parts: list[tuple[str, dict[str, Any]]] = [
        ("message_start", {"message": started}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        ("ping", {}),
        *(("content_block_delta", delta) for delta in deltas),
        ("content_block_stop", {"index": 0}),
        (
            "message_delta",
            {
                "delta": {"stop_reason": ending, "stop_sequence": None},
                "usage": {"output_tokens": tokens.output},
            },
        ),
        ("message_stop", {}),
    ]
    return [named_event(name, {"type": name, **content}) for name, content in parts]
