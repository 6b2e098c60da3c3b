"""Exa (formerly Metaphor): searches and streamed answers that tell what they cost."""

import json
from typing import Any

from tests.upstream import chat
from tests.upstream.script import Answer, Received, Script, data_event, refusal, stream, whole

RESULT = {"id": "https://example.com/salt", "url": "https://example.com/salt", "title": "Salt"}


def answer(request: Received, script: Script) -> Answer:
    match request.path:
        case "/search":
            told = {"requestId": "r9", "resolvedSearchType": "neural", "results": [RESULT]}
            return whole({**told, **_cost(script)})
        case "/answer":
            return _streamed_answer(script)
    return error(404)


def error(status: int) -> Answer:
    message = f"The upstream answered {status}."
    return refusal(status, {"requestId": "r9", "error": message, "tag": "UPSTREAM_ERROR"})


def _cost(script: Script) -> dict[str, Any]:
    """The cost as JSON numbers, which is how Exa sends it."""
    amount = json.loads(script.cost)
    return {"costDollars": {"total": amount, "search": {"neural": amount}}} if script.tells_usage else {}


def _streamed_answer(script: Script) -> Answer:
    """Chunks in the manner of a chat, then the citations, then the cost."""
    head = {"id": "ans-9", "created": chat.CREATED, "model": "exa"}
    said = chat.chunks(head, words=script.words, ending="stop", usage=None)
    return stream(*said, data_event({"citations": [RESULT]}), data_event(_cost(script)))
