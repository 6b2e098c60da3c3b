"""Stability: images."""

from usage.providers.base import Provider

PROVIDER = Provider(
    key="stability",
    name="Stability AI",
    kind="image",
    hosts=("api.stability.ai",),
    aliases=frozenset({"stability_ai", "stabilityai"}),
)
