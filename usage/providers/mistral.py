"""Mistral: chat in OpenAI's shape, and pages of documents."""

from usage.providers.base import Provider
from usage.wire.openai_wire import OpenAIWire

PROVIDER = Provider(
    key="mistral",
    name="Mistral",
    kind="llm",
    hosts=("api.mistral.ai",),
    aliases=frozenset({"mistral_ai", "mistralai"}),
    price_list="mistral",
    model_prefixes=("mistral/", "mistralai/"),
    # Its streams always end with their usage, and it refuses fields it does not know.
    wire=OpenAIWire(price_list="mistral", cap_name="max_tokens", asks_streams=False),
)
