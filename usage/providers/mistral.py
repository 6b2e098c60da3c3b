"""Mistral: chat in OpenAI's shape."""

from usage.providers.base import Provider

PROVIDER = Provider(
    key="mistral",
    name="Mistral",
    kind="llm",
    hosts=("api.mistral.ai",),
    aliases=frozenset({"mistral_ai", "mistralai"}),
    price_list="mistral",
    model_prefixes=("mistral/", "mistralai/"),
)
