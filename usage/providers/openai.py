"""OpenAI: chat, responses, embeddings, images, speech."""

from usage.providers.base import Provider
from usage.wire.openai_wire import OpenAIWire

PROVIDER = Provider(
    key="openai",
    name="OpenAI",
    kind="llm",
    hosts=("api.openai.com",),
    price_list="openai",
    model_prefixes=("openai/",),
    wire=OpenAIWire(price_list="openai"),
)
