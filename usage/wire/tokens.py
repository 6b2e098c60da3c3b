"""How many tokens a text is: at most, before a call, and about, after an answer that does not say.

Every byte-level BPE spends at most one token on a byte of UTF-8, so a text's bytes bound its tokens whatever
the model. Where the optional extra `tokenizer` is installed (its wheel carries OpenAI's vocabularies, nothing
is downloaded), texts for the models that read with these are counted instead, which holds a fourth as much.
"""

import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

TOKENIZER_PACKAGE = "rs_bpe"
INSTALLED = find_spec(TOKENIZER_PACKAGE) is not None
# What a real count is raised by to be an upper bound: the provider may count with a later revision of the
# vocabulary, and puts marks around the text. A twentieth and a handful of tokens cover both.
MARGIN_DIVISOR = 20
MARGIN_TOKENS = 8
# English prose has about four bytes a token, code and other languages fewer; three errs to the dearer side.
BYTES_PER_TOKEN = 3
# Counting takes about 20 ms a megabyte; a longer text is not worth the wait and is bounded by its bytes.
MAX_COUNTED_BYTES = 4_000_000

# The vocabulary of each family of models, as OpenAI's own `tiktoken/model.py` lists them; gpt-oss's
# o200k_harmony is o200k_base with more special tokens. The first match decides.
_VOCABULARIES = (
    (re.compile(r"gpt-(4o|4\.1|4\.5|5|oss|image|realtime|audio)|chatgpt-4o|o[134](-|$)"), "o200k_base"),
    (re.compile(r"gpt-(4|3\.5|35)(-|$)|text-embedding-(3|ada-002)"), "cl100k_base"),
)
_WRAPPING = re.compile(r"^(.*/)?(ft:)?")


class Vocabulary(Protocol):
    """What of the tokenizer is used here."""

    def count(self, text: str) -> int:
        """The tokens of `text`, read as plain text: names of special tokens in it are spelled out."""


def upper_bound(text: str | bytes, *, model: str = "") -> int:
    """Tokens `text` can at most be to `model`, or to any model when it is not known."""
    length = byte_length(text)
    counted = _count(text, model=model, length=length)
    return length if counted is None else min(length, counted + counted // MARGIN_DIVISOR + MARGIN_TOKENS)


def estimate(text: str | bytes, *, model: str = "") -> int:
    """About how many tokens `text` is: counted where that can be, else ceil(bytes / 3), rather too many."""
    length = byte_length(text)
    counted = _count(text, model=model, length=length)
    return -(-length // BYTES_PER_TOKEN) if counted is None else counted


def byte_length(text: str | bytes) -> int:
    """The bytes of `text` in UTF-8; halves of surrogate pairs, which JSON can carry, count three each."""
    return len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))


def vocabulary_of(model: str) -> str:
    """The public name of the vocabulary `model` reads with, empty where it is not one we can count.

    Vendor prefixes (`openai/`), fine-tunes (`ft:`) and dated snapshots belong to their model.
    """
    name = _WRAPPING.sub("", model.lower())
    return next((vocabulary for pattern, vocabulary in _VOCABULARIES if pattern.match(name)), "")


def _count(text: str | bytes, *, model: str, length: int) -> int | None:
    vocabulary = vocabulary_of(model) if INSTALLED and length <= MAX_COUNTED_BYTES else ""
    if not vocabulary:
        return None
    try:
        return _load(vocabulary).count(text if isinstance(text, str) else text.decode())
    except UnicodeError:
        return None  # not text at all, or half a surrogate pair: its bytes still bound it


@cache
def _load(vocabulary: str) -> Vocabulary:
    loaded: Vocabulary = getattr(import_module(f"{TOKENIZER_PACKAGE}.bpe").openai, vocabulary)()
    return loaded
