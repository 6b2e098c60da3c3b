"""Serper: Google results, one search per call, `credits` in its answer."""

from usage.providers.base import Provider

PROVIDER = Provider(
    key="serper", name="Serper", kind="search", hosts=("google.serper.dev",), unit_of_a_call="searches"
)
