"""Firecrawl: one page per scrape, `creditsUsed` for searches; crawls are jobs, see its wire."""

from usage.providers.base import Provider
from usage.wire.firecrawl import FirecrawlWire

PROVIDER = Provider(
    key="firecrawl",
    name="Firecrawl",
    kind="scrape",
    hosts=("api.firecrawl.dev",),
    unit_of_a_call="pages",
    wire=FirecrawlWire(),
)
