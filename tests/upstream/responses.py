"""OpenAI's responses API, whole and as its named events."""

from typing import Any

from tests.upstream.script import (
    Answer,
    Received,
    Script,
    Tokens,
    consumed,
    named_event,
    spoken,
    stream,
    whole,
)

CREATED = 1_773_576_000


def answer(request: Received, script: Script, *, model: str) -> Answer:
    """A response by `model`, or the events that lead to it."""
    asked = request.json
    words = spoken(script, cap=asked.get("max_output_tokens"))
    tokens = consumed(script, question=str(asked["input"]), words=words)
    status = "completed" if words == script.words else "incomplete"
    done = _response(model, status=status, text="".join(words))
    if script.tells_usage:
        done["usage"] = _usage(tokens)
    if not asked.get("stream"):
        return whole(done)
    begun = _response(model, status="in_progress", text=None)
    deltas = [("response.output_text.delta", {**_PLACE, "delta": word, "logprobs": []}) for word in words]
    parts: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": begun}),
        ("response.output_item.added", {"output_index": 0, "item": _message("", status="in_progress")}),
        ("response.content_part.added", {**_PLACE, "part": _text("")}),
        *deltas,
        ("response.output_text.done", {**_PLACE, "text": "".join(words), "logprobs": []}),
        (f"response.{status}", {"response": done}),
    ]
    numbered = enumerate(parts)
    return stream(*(named_event(t, {"type": t, "sequence_number": n, **part}) for n, (t, part) in numbered))


_PLACE = {"item_id": "msg_9", "output_index": 0, "content_index": 0}


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message(text: str, *, status: str) -> dict[str, Any]:
    return {
        "id": "msg_9",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [_text(text)] if text else [],
    }


def _response(model: str, *, status: str, text: str | None) -> dict[str, Any]:
    """The response object; `text` None while nothing was said yet."""
    return {
        "id": "resp_9",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "model": model,
        "output": [] if text is None else [_message(text, status=status)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }


def _usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    }
