"""Anthropic: messages."""

from usage.providers.base import Provider
from usage.wire.anthropic import AnthropicWire

PROVIDER = Provider(
    key="anthropic",
    name="Anthropic",
    kind="llm",
    hosts=("api.anthropic.com",),
    price_list="anthropic",
    model_prefixes=("anthropic/",),
    wire=AnthropicWire(),
)
