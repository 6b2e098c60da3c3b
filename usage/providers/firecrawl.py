"""Firecrawl: one page per scrape, `creditsUsed` for crawls."""

from usage.providers.base import Provider

PROVIDER = Provider(
    key="firecrawl", name="Firecrawl", kind="scrape", hosts=("api.firecrawl.dev",), unit_of_a_call="pages"
)
