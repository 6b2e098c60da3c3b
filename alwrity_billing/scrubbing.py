"""Takes secrets out of text: API keys, authorisation headers, tokens, passwords, card numbers.

Pure and bounded: text is cut to MAX_TEXT_CHARS first, and every pattern is linear in what is left. What
stands around a secret stays readable, and of our own API keys the prefix, which names the key.
"""

import re
from collections.abc import Mapping
from typing import Any

REMOVED = "[removed]"
MAX_TEXT_CHARS = 16_000
MAX_DEPTH = 4
MAX_ITEMS = 50

_HEADER = r"authorization|api[-_]?key|cookie|stripe-signature"
_FIELD = r"passw(?:or)?d|secret(?:[-_]key)?|(?:access|refresh|id)[-_]token|card[-_]?number|cvc|cvv"
# `name: value`, `name=value`, `"name": "value"`, and the (b'name', b'value') pairs of HTTP libraries.
_IS = r"""(?:["']?\s{0,4}[:=]\s{0,4}|["']\s{0,4},\s{0,4})(?:b(?=["']))?["']?"""
_SCHEME = r"(?:(?:bearer|basic|api-key|token)\s{1,4})?"

PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # The whole cookie line is secret; of the other headers, the scheme may stay.
    (re.compile(rf"((?:\b|_)cookie{_IS})[^\"'\r\n]+", re.IGNORECASE), rf"\1{REMOVED}"),
    (re.compile(rf"((?:\b|_)(?:{_HEADER}){_IS}{_SCHEME})[^\s\"',;&)}}\]]+", re.IGNORECASE), rf"\1{REMOVED}"),
    (re.compile(rf"((?:\b|_)(?:{_FIELD}){_IS})[^\s\"',;&)}}\]]+", re.IGNORECASE), rf"\1{REMOVED}"),
    (re.compile(r"([?&](?:key|token|sig|signature|code)=)[^\s\"'&#]+", re.IGNORECASE), rf"\1{REMOVED}"),
    # The link of an invitation, also as where a login leads back to.
    (re.compile(r"(/join/\d{1,18}(?::|%3A))[\w-]+", re.IGNORECASE), rf"\1{REMOVED}"),
    (
        re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,200}:)[^\s/]{1,500}@", re.IGNORECASE),
        rf"\1{REMOVED}@",
    ),
    (re.compile(r"(\bbearer\s{1,4})(?=\S{0,40}\d)[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1{REMOVED}"),
    (re.compile(r"\beyJ[\w-]{5,2000}\.[\w-]{5,4000}\.[\w-]*"), REMOVED),
    (re.compile(r"(?<![A-Za-z0-9])([A-Za-z0-9]{8}\.)[A-Za-z0-9]{32}(?![A-Za-z0-9])"), rf"\1{REMOVED}"),
    # Stripe: secret and restricted keys, webhook secrets. Then OpenAI, Anthropic, Google, Groq, Hugging Face,
    # Tavily, Firecrawl.
    (re.compile(r"\b(?:[sr]k_|whsec_)[A-Za-z0-9_+/=]{8,}"), REMOVED),
    (re.compile(r"\b(?:sk-|gsk_|hf_|tvly-|fc-)[\w-]{16,}|\bAIza[\w-]{30,}"), REMOVED),
)
SECRET_NAME = re.compile(rf"(?:^|[-_])(?:{_HEADER}|{_FIELD}|token)$", re.IGNORECASE)

# 13 to 19 digits in one run, in fours, or in American Express's 4-6-5, with one kind of separator.
CARD = re.compile(
    r"(?<![\w.])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{5})(?![\w]|\.\d|[-]\d)"
)
# How long the numbers of each network are: an id that happens to pass Luhn's check mostly differs.
ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|[56]\d{15,18}|2[2-7]\d{14}|3[47]\d{13}|3[0689]\d{12,17}|35\d{14,17}"
)


def text(value: str) -> str:
    """`value` without secrets, cut to MAX_TEXT_CHARS."""
    if len(value) > MAX_TEXT_CHARS:
        value = f"{value[:MAX_TEXT_CHARS]}… [{len(value) - MAX_TEXT_CHARS} characters cut]"
    for pattern, replacement in PATTERNS:
        value = pattern.sub(replacement, value)
    return CARD.sub(_unless_an_id, value)


def value(name: str, held: Any, *, depth: int = 0) -> Any:
    """The value of a field called `name`, scrubbed: wholly when the name says secret, else inside.

    Numbers, booleans and None are kept (a whole number that is a card's becomes text); containers are copied,
    at most MAX_DEPTH deep and MAX_ITEMS wide; anything else becomes its scrubbed text.
    """
    if held is None or isinstance(held, bool | float):
        return held
    if SECRET_NAME.search(name):
        return REMOVED
    if isinstance(held, int):
        clean = text(str(held))
        return held if clean == str(held) else clean
    if depth < MAX_DEPTH:
        if isinstance(held, Mapping):
            pairs = list(held.items())[:MAX_ITEMS]
            return {text(str(key)): value(str(key), item, depth=depth + 1) for key, item in pairs}
        if isinstance(held, list | tuple | set | frozenset):
            return [value(name, item, depth=depth + 1) for item in list(held)[:MAX_ITEMS]]
    return text(str(held))


def _unless_an_id(found: re.Match[str]) -> str:
    number = re.sub(r"\D", "", found[0])
    return REMOVED if ISSUED.fullmatch(number) and _passes_luhn(number) else found[0]


def _passes_luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
