from usage.providers import PROVIDERS, find


def test_every_provider_of_the_catalog_is_known() -> None:
    assert set(PROVIDERS) == {
        "openai", "anthropic", "gemini", "mistral", "huggingface",
        "tavily", "serper", "metaphor", "firecrawl", "stability",
    }  # fmt: skip


def test_a_provider_is_found_by_key_alias_and_in_any_case() -> None:
    assert find("exa") is find("metaphor") is find("Exa ") is PROVIDERS["metaphor"]
    assert find("gcp.gemini") is PROVIDERS["gemini"]


def test_an_unknown_provider_is_not_found() -> None:
    assert find("openai2") is None


def test_no_name_means_two_providers() -> None:
    names = [name for provider in PROVIDERS.values() for name in (provider.key, *provider.aliases)]

    assert len(names) == len(set(names))
