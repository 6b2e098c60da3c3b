"""What could have served a call for less: models of a class, batch discounts, work that can wait.

The facts, with their sources, are `catalog/alternatives.toml`; what each costs is the price book's.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from usage.core.money import parse_amount

CATALOG = Path(__file__).parent / "catalog" / "alternatives.toml"

# A model's key: (provider, the price book's name of the model).
ModelKey = tuple[str, str]


class Capability(StrEnum):
    """What kind of work a model is sold for."""

    SMALL = "small"
    GENERAL = "general"
    FRONTIER = "frontier"
    REASONING = "reasoning"
    EMBEDDING = "embedding"


# A model that stops answering within this is no longer worth moving to.
NOTICE = timedelta(days=90)
# One class below, where there is one.
SMALLER = {Capability.FRONTIER: Capability.GENERAL, Capability.GENERAL: Capability.SMALL}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelClass:
    """A model, what it is sold for, and how many input and output tokens one call of it can have together."""

    provider: str
    model: str
    capability: Capability
    context_tokens: int

    @property
    def key(self) -> ModelKey:
        return (self.provider, self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDiscount:
    """What a provider takes off a model's prices in its batch queue, where the price book has no batch
    prices; `published_on` is since when.
    """

    percent_off: Decimal
    source: str
    published_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """From when on a model no longer answers, and where that was read."""

    on: date
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The whole file."""

    checked_on: date
    models: Mapping[ModelKey, ModelClass]
    retirements: Mapping[ModelKey, Retirement]
    batch_discounts: Mapping[ModelKey, BatchDiscount]
    batchable: frozenset[str]

    def of_class(self, provider: str, model: str, *, at: date) -> list[ModelClass]:
        """The other models of the same class, any provider's, that one could move to on that day; none for a
        model without a class.
        """
        known = self.models.get((provider, model))
        if known is None:
            return []
        return [each for each in self._lasting(at) if each.capability is known.capability and each != known]

    def smaller(self, provider: str, model: str, *, at: date) -> list[ModelClass]:
        """The same provider's models one class below that one could move to on that day."""
        known = self.models.get((provider, model))
        below = None if known is None else SMALLER.get(known.capability)
        return [each for each in self._lasting(at) if each.provider == provider and each.capability is below]

    def _lasting(self, at: date) -> Iterator[ModelClass]:
        """The models that answer for longer than NOTICE."""
        for key, model in self.models.items():
            retirement = self.retirements.get(key)
            if retirement is None or retirement.on - at > NOTICE:
                yield model


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    """The catalog that comes with this version."""
    read = tomllib.loads(CATALOG.read_text(encoding="utf-8"))
    return Catalog(
        checked_on=read["checked_on"],
        models={each.key: each for group in read["model"] for each in _models(group)},
        retirements={
            (group["provider"], model): Retirement(on=group["on"], source=group["source"])
            for group in read["retirement"]
            for model in group["models"]
        },
        batch_discounts={
            (group["provider"], model): BatchDiscount(
                percent_off=parse_amount(group["percent_off"]),
                source=group["source"],
                published_on=group["published_on"],
            )
            for group in read["batch"]
            for model in group["models"]
        },
        batchable=frozenset(read["batchable"]["request_types"]),
    )


def _models(group: Mapping[str, Any]) -> Iterator[ModelClass]:
    for model, context_tokens in group["models"].items():
        yield ModelClass(
            provider=group["provider"],
            model=model,
            capability=Capability(group["class"]),
            context_tokens=context_tokens,
        )
