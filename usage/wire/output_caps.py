"""The most tokens a model can generate: what is held, and sent as the cap, for a request that names none."""

import re
import tomllib
from functools import cache, lru_cache
from pathlib import Path

from usage.providers import PROVIDERS
from usage.wire.openai_windows import context_window

CAPS = Path(__file__).parent / "output_caps.toml"
_VENDOR = re.compile(r"^(.*/)?(ft:)?")


@lru_cache(maxsize=10_000)
def max_output_of(provider: str, model: str) -> int | None:
    """The tokens `model` of `provider` (our key for it) generates at most in one choice.

    Where no rule of `output_caps.toml` names the model: its context window in genai-prices, which no output
    can exceed; None where that is not known either.
    """
    name = _VENDOR.sub("", model.lower())
    rules = _rules().get(provider, {})
    named = [beginning for beginning in rules if name.startswith(beginning)]
    if named:
        return rules[max(named, key=len)]
    known = PROVIDERS.get(provider)
    return context_window(model, price_list=known.price_list) if known and known.price_list else None


@cache
def _rules() -> dict[str, dict[str, int]]:
    """For each provider, how the models' names begin and their maximum."""
    rules: dict[str, dict[str, int]] = {}
    for cap in tomllib.loads(CAPS.read_text(encoding="utf-8"))["cap"]:
        for beginning in cap["models"]:
            rules.setdefault(cap["provider"], {})[beginning] = cap["max_output_tokens"]
    return rules
