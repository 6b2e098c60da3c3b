"""Stability: images."""

from usage.providers.base import Provider
from usage.wire.stability import StabilityWire

PROVIDER = Provider(
    key="stability",
    name="Stability AI",
    kind="image",
    hosts=("api.stability.ai",),
    aliases=frozenset({"stability_ai", "stabilityai"}),
    wire=StabilityWire(),
)
