"""The provider names under which existing front ends look their figures up."""

from collections.abc import Mapping
from typing import TypeVar

from usage.providers import PROVIDERS

Figures = TypeVar("Figures")

# One provider that these front ends know by two names: its figures stand under both.
METAPHOR, EXA = "metaphor", "exa"


def under_known_names(by_provider: Mapping[str, Figures], *, missing: Figures) -> dict[str, Figures]:
    """`by_provider` with every provider we meter in it, those without figures as `missing`, in name order."""
    figures = {**dict.fromkeys(PROVIDERS, missing), **by_provider}
    figures[EXA] = figures[METAPHOR]
    return {name: figures[name] for name in sorted(figures)}
