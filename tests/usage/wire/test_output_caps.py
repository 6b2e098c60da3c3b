"""The most a model generates: our rules first, then its context window."""

import tomllib

import pytest

from usage.providers import PROVIDERS
from usage.wire.output_caps import CAPS, max_output_of


@pytest.mark.parametrize(
    ("provider", "model", "most"),
    [
        ("openai", "gpt-4o", 16_384),
        ("openai", "gpt-4o-2024-05-13", 4_096),  # the longer beginning decides
        ("openai", "gpt-5", 128_000),
        ("openai", "gpt-5-pro-2025-10-06", 272_000),
        ("openai", "gpt-5-chat-latest", 16_384),
        ("openai", "openai/gpt-4.1-mini", 32_768),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", 16_384),
        ("openai", "o3-mini", 100_000),
        ("anthropic", "claude-opus-4-5-20251101", 64_000),
        ("anthropic", "claude-opus-4-20250514", 32_000),
        ("anthropic", "claude-sonnet-4-6", 128_000),
        ("gemini", "models/gemini-2.5-pro", 65_536),
        ("mistral", "mistral-large-latest", 262_144),
    ],
)
def test_a_known_model_has_its_maximum(provider: str, model: str, most: int) -> None:
    assert max_output_of(provider, model) == most


def test_a_model_without_a_rule_cannot_exceed_its_window() -> None:
    assert max_output_of("huggingface", "openai/gpt-oss-120b:groq") == 131_072


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "nobody-knows-me"), ("huggingface", "openai/gpt-oss-120b"), ("tavily", ""), ("x", "y")],
)
def test_nothing_is_said_of_what_nobody_knows(provider: str, model: str) -> None:
    assert max_output_of(provider, model) is None


def test_no_beginning_is_ruled_twice() -> None:
    caps = tomllib.loads(CAPS.read_text(encoding="utf-8"))["cap"]
    ruled = [(cap["provider"], beginning) for cap in caps for beginning in cap["models"]]

    assert len(ruled) == len(set(ruled))
    assert {provider for provider, _ in ruled} <= set(PROVIDERS)
