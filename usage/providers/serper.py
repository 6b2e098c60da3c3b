"""Serper: Google results, one search per call, `credits` in its answer."""

from usage.providers.base import Provider
from usage.wire.serper import SerperWire

PROVIDER = Provider(
    key="serper",
    name="Serper",
    kind="search",
    hosts=("google.serper.dev", "scrape.serper.dev"),
    unit_of_a_call="searches",
    wire=SerperWire(),
)
