"""Requests and answers as OpenAI's API and its kin send them."""

import json
from collections.abc import Sequence
from typing import Any

from usage.wire.base import Call, Reading, SentRequest
from usage.wire.openai_wire import OpenAIWire

OPENAI = OpenAIWire(price_list="openai")
CHAT = "/v1/chat/completions"
# A model whose vocabulary nobody published: its texts are bounded by their bytes, with or without the extra.
MODEL = "gpt-6-sol"
QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "How high is Mont Blanc?"}]}
BOUNDARY = "a1b2c3"


def posted(path: str, body: object) -> SentRequest:
    """A JSON request."""
    return SentRequest(
        method="POST", path=path, content_type="application/json", body=json.dumps(body).encode()
    )


def form(path: str, *, fields: dict[str, str], files: dict[str, bytes]) -> SentRequest:
    """A form with files, laid out as HTTP clients do."""
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}'.encode()
        for name, text in fields.items()
    ]
    for name, content in files.items():
        head = f'Content-Disposition: form-data; name="{name}"; filename="x.bin"\r\n'
        parts.append(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + content)
    body = (
        b"".join(f"--{BOUNDARY}\r\n".encode() + part + b"\r\n" for part in parts)
        + f"--{BOUNDARY}--\r\n".encode()
    )
    return SentRequest(
        method="POST", path=path, content_type=f"multipart/form-data; boundary={BOUNDARY}", body=body
    )


def call(path: str, body: object, *, wire: OpenAIWire = OPENAI) -> Call:
    """The call that a metered JSON request is."""
    found = wire.call_of(posted(path, body))
    assert found is not None
    return found


def prepared(path: str, body: object, *, output_cap: int | None = None, wire: OpenAIWire = OPENAI) -> Any:
    """The body really sent, decoded."""
    request = posted(path, body)
    return json.loads(wire.prepared(request, call(path, body, wire=wire), output_cap=output_cap))


def read_whole(path: str, body: object, answer: object, *, wire: OpenAIWire = OPENAI) -> Reading:
    """What a complete answer is read as."""
    reader = wire.reader(call(path, body, wire=wire))
    reader.whole(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    return reader.reading()


def read_events(
    path: str, body: object, events: Sequence[object], *, wire: OpenAIWire = OPENAI
) -> tuple[Reading, list[bool]]:
    """What a stream is read as, and for each event whether the caller sees it. A text is sent as it is."""
    reader = wire.reader(call(path, body, wire=wire))
    seen = [
        reader.event(event.encode() if isinstance(event, str) else json.dumps(event).encode())
        for event in events
    ]
    return reader.reading(), seen


def chunk(delta: dict[str, object], *, finish_reason: str | None = None) -> dict[str, object]:
    """One chunk of a chat stream."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "gpt-6-sol-2026-09-01",
        "choices": [choice],
    }


def usage_chunk(usage: dict[str, object]) -> dict[str, object]:
    """The last chunk of a chat stream that was asked for usage."""
    return {**chunk({}), "choices": [], "usage": usage}
