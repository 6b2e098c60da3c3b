"""OpenAI: chat, responses, embeddings."""

from usage.providers.base import Provider

PROVIDER = Provider(
    key="openai",
    name="OpenAI",
    kind="llm",
    hosts=("api.openai.com",),
    price_list="openai",
    model_prefixes=("openai/",),
)
