"""How much a model can read at once, from genai-prices' data (offline)."""

from collections.abc import Iterator
from functools import lru_cache

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import Provider as PriceList

# Of a model whose window nobody wrote down: the widest of developers.openai.com/api/docs/models.
WIDEST_WINDOW = 1_050_000
# genai-prices rounds (1 000 000 for gpt-4.1's 1 047 576), so that as an upper bound a twentieth is added.
ROUNDING_DIVISOR = 20


@lru_cache(maxsize=10_000)
def context_window(model: str, *, price_list: str) -> int | None:
    """The tokens `model` holds at once, as genai-prices has it; None when it is not known.

    A `price_list` that ends in "_" names a router's lists, one per serving provider, and the model then ends
    in `:<serving provider>`.
    """
    for found, name in _lists(model, price_list=price_list):
        for spelling in (name, name.rpartition("/")[2]):
            known = found.find_model(spelling)
            if known is not None and known.context_window is not None:
                return known.context_window
    return None


def most_input(model: str, *, price_list: str) -> int:
    """The tokens a call can at most read when its request does not show them all."""
    window = context_window(model, price_list=price_list)
    return WIDEST_WINDOW if window is None else window + window // ROUNDING_DIVISOR


def serves(name: str, *, price_list: str) -> bool:
    """Whether `name` is a serving provider of the router whose lists begin with `price_list`."""
    return bool(name) and any(found.id == price_list + name for found in get_snapshot().providers)


def _lists(model: str, *, price_list: str) -> Iterator[tuple[PriceList, str]]:
    name, _, serving = model.rpartition(":")
    wanted, spelled = (price_list + serving, name) if price_list.endswith("_") else (price_list, model)
    return ((found, spelled) for found in get_snapshot().providers if wanted and found.id == wanted)
