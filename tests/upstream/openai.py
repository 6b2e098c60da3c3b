"""OpenAI: chat completions, responses, embeddings, and the list of models, which costs nothing."""

import base64
import struct

from tests.upstream import chat, responses
from tests.upstream.script import Answer, Received, Script, Tokens, refusal, whole

VECTOR = (0.25, -0.5)
# A model's name stands for its latest dated snapshot, which is what answers name.
SNAPSHOTS = {"gpt-4o": "gpt-4o-2024-08-06", "o3": "o3-2025-04-16"}


def answer(request: Received, script: Script) -> Answer:
    match request.path:
        case "/v1/chat/completions":
            return chat.answer(request, script, model=snapshot_of(request.json["model"]))
        case "/v1/responses":
            return responses.answer(request, script, model=snapshot_of(request.json["model"]))
        case "/v1/embeddings":
            return _embeddings(request, script)
        case "/v1/models":
            return whole({"object": "list", "data": [{"id": "gpt-4o", "object": "model", "created": 1}]})
    return error(404)


def error(status: int) -> Answer:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    message = f"The upstream answered {status}."
    told = {"message": message, "type": kind, "param": None, "code": None}
    return refusal(status, {"error": told}, **{"retry-after-ms": "10"})


def snapshot_of(model: str) -> str:
    return SNAPSHOTS.get(model, model)


def _embeddings(request: Received, script: Script) -> Answer:
    asked = request.json
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    tokens = script.tokens or Tokens(input=sum(len(text.split()) for text in texts))
    packed = base64.b64encode(struct.pack("<2f", *VECTOR)).decode()
    vector = packed if asked.get("encoding_format") == "base64" else list(VECTOR)
    return whole(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": i, "embedding": vector} for i in range(len(texts))],
            "model": asked["model"],
            "usage": {"prompt_tokens": tokens.input, "total_tokens": tokens.input},
        }
    )
