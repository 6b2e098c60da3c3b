"""Metaphor, today called Exa: search that reports its own cost in `costDollars`."""

from usage.providers.base import Provider
from usage.wire.exa import ExaWire

PROVIDER = Provider(
    key="metaphor",
    name="Exa (Metaphor)",
    kind="search",
    hosts=("api.exa.ai", "api.metaphor.systems"),
    aliases=frozenset({"exa"}),
    unit_of_a_call="searches",
    wire=ExaWire(),
)
