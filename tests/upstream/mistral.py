"""Mistral: OpenAI's chat shape, whose stream tells its usage unasked in the chunk that ends it."""

from typing import Any

from tests.upstream import chat
from tests.upstream.script import (
    DONE,
    Answer,
    Received,
    Script,
    Tokens,
    consumed,
    data_event,
    refusal,
    spoken,
    stream,
    whole,
)


def answer(request: Received, script: Script) -> Answer:
    match request.path:
        case "/v1/chat/completions":
            return _chat(request.json, script)
        case "/v1/embeddings":
            return _embeddings(request.json, script)
    return error(404)


def error(status: int) -> Answer:
    told = {"object": "error", "message": f"The upstream answered {status}.", "type": "error", "code": "1"}
    return refusal(status, told)


def _chat(asked: dict[str, Any], script: Script) -> Answer:
    head = {"id": "cmpl-9", "created": chat.CREATED, "model": asked["model"]}
    words = spoken(script, cap=asked.get("max_tokens"))
    ending = "stop" if words == script.words else "length"
    usage = _usage(consumed(script, question=chat.question(asked), words=words))
    if not asked.get("stream"):
        return whole(chat.completion(head, words=words, ending=ending, choices=1, usage=usage))
    *said, _ = chat.chunks(head, words=words, ending=ending, usage=None)
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": ending}
    last = {**head, "object": "chat.completion.chunk", "choices": [choice], "usage": usage}
    return stream(*said, data_event(last), DONE)


def _usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
    }


def _embeddings(asked: dict[str, Any], script: Script) -> Answer:
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    tokens = script.tokens or Tokens(input=sum(len(text.split()) for text in texts))
    vectors = [{"object": "embedding", "index": n, "embedding": [0.25, -0.5]} for n in range(len(texts))]
    head = {"id": "emb-9", "object": "list", "model": asked["model"]}
    return whole({**head, "data": vectors, "usage": _usage(tokens)})
