"""Hugging Face's router: OpenAI's chat shape, at the router's own path and under a serving provider's."""

from tests.upstream import chat
from tests.upstream.script import Answer, Received, Script, refusal


def answer(request: Received, script: Script) -> Answer:
    if not request.path.endswith("/v1/chat/completions"):
        return error(404)
    # The serving provider behind the colon does not know itself by that name.
    return chat.answer(request, script, model=request.json["model"].partition(":")[0].lower())


def error(status: int) -> Answer:
    return refusal(status, {"error": {"message": f"The upstream answered {status}.", "type": "error"}})
