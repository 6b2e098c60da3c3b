"""Tavily search: one search per call, more credits when its answer says so."""

from usage.providers.base import Provider
from usage.wire.tavily import TavilyWire

PROVIDER = Provider(
    key="tavily",
    name="Tavily",
    kind="search",
    hosts=("api.tavily.com",),
    unit_of_a_call="searches",
    wire=TavilyWire(),
)
