"""Counting tokens: bounds that hold for every model, and counts where the vocabulary is installed."""

import pytest

from usage.wire import tokens

counted = pytest.mark.skipif(not tokens.INSTALLED, reason="the optional extra `tokenizer` is not installed")


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("", 0),
        ("hello", 5),
        ("wörld", 6),  # ö is two bytes
        ("日本", 6),
        ("😀", 4),
        (b"\xff\xfe", 2),
        ("\ud800", 3),  # half a surrogate pair, which JSON can carry
    ],
)
def test_a_text_is_at_most_its_bytes(text: str | bytes, most: int) -> None:
    assert tokens.upper_bound(text) == most


@pytest.mark.parametrize(("text", "about"), [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), (b"\xff" * 7, 3)])
def test_without_a_vocabulary_three_bytes_are_a_token(text: str | bytes, about: int) -> None:
    assert tokens.estimate(text, model="mistral-large-latest") == about


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-5.4", "o200k_base"),
        ("o3", "o200k_base"),
        ("o4-mini-2025-04-16", "o200k_base"),
        ("openai/gpt-oss-120b:groq", "o200k_base"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("gpt-6-sol", ""),  # nobody published what it reads with
        ("claude-opus-4-8", ""),
        ("", ""),
    ],
)
def test_models_are_known_by_their_vocabulary(model: str, vocabulary: str) -> None:
    assert tokens.vocabulary_of(model) == vocabulary


@counted
def test_a_text_for_a_known_vocabulary_is_counted() -> None:
    text = "hello " * 100  # 100 words and the last space

    assert tokens.estimate(text, model="gpt-4o") == 101
    assert tokens.upper_bound(text, model="gpt-4o") == 101 + 101 // 20 + 8


@counted
def test_the_margin_never_lifts_the_bound_over_the_bytes() -> None:
    assert tokens.upper_bound("hello", model="gpt-4o") == 5


@counted
@pytest.mark.parametrize("text", ["\ud800", b"\xff\xff"])
def test_what_cannot_be_counted_is_bounded_by_its_bytes(text: str | bytes) -> None:
    assert tokens.upper_bound(text, model="gpt-4o") == tokens.byte_length(text)


@counted
def test_a_very_long_text_is_not_counted() -> None:
    text = "a" * (tokens.MAX_COUNTED_BYTES + 1)

    assert tokens.upper_bound(text, model="gpt-4o") == len(text)


@counted
def test_the_names_of_special_tokens_are_plain_text() -> None:
    assert tokens.estimate("<|endoftext|>", model="gpt-4o") > 1
