"""Google Gemini: the model is in the path; thoughts are counted beside the candidates, not among them."""

from typing import Any

from tests.upstream.script import (
    Answer,
    Received,
    Script,
    Tokens,
    as_json,
    consumed,
    refusal,
    spoken,
    stream,
    whole,
)

STATUSES = {400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


def answer(request: Received, script: Script) -> Answer:
    """`POST /{version}/models/{model}:{method}`."""
    model, _, method = request.path.partition("/models/")[2].partition(":")
    asked = request.json
    match method:
        case "generateContent" | "streamGenerateContent":
            return _generated(asked, script, model=model, streamed=method == "streamGenerateContent")
        case "countTokens":
            return whole({"totalTokens": len(_question(asked).split())})
        case "batchEmbedContents":
            return whole({"embeddings": [{"values": [0.25, -0.5]} for _ in asked["requests"]]})
    return error(404)


def error(status: int) -> Answer:
    told = {"code": status, "message": f"The upstream answered {status}.", "status": STATUSES.get(status, "")}
    return refusal(status, {"error": told})


def _question(asked: dict[str, Any]) -> str:
    return " ".join(part["text"] for content in asked["contents"] for part in content["parts"])


def _generated(asked: dict[str, Any], script: Script, *, model: str, streamed: bool) -> Answer:
    words = spoken(script, cap=(asked.get("generationConfig") or {}).get("maxOutputTokens"))
    tokens = consumed(script, question=_question(asked), words=words)
    ending = "STOP" if words == script.words else "MAX_TOKENS"
    if not streamed:
        return whole(_chunk("".join(words), ending=ending, model=model, usage=_usage(tokens)))
    last = len(words) - 1
    chunks = [
        _chunk(
            word,
            ending=ending if number == last else None,
            model=model,
            usage=_usage(tokens if number == last else Tokens(input=tokens.input, output=number + 1)),
        )
        for number, word in enumerate(words)
    ]
    # Lines end with a carriage return too, and no [DONE] follows.
    return stream(*(b"data: " + as_json(chunk) + b"\r\n\r\n" for chunk in chunks))


def _usage(tokens: Tokens) -> dict[str, Any]:
    """Counts of nothing are left out, as protocol buffers do."""
    counts = {
        "promptTokenCount": tokens.input,
        "cachedContentTokenCount": tokens.cached,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "thoughtsTokenCount": tokens.reasoning,
        "totalTokenCount": tokens.input + tokens.output,
    }
    return {name: count for name, count in counts.items() if count}


def _chunk(text: str, *, ending: str | None, model: str, usage: dict[str, Any]) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if ending:
        candidate["finishReason"] = ending
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model, "responseId": "r9"}
