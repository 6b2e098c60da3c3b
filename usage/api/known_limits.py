"""Limits by the names that existing front ends look up, and as these draw them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from rest_framework import serializers

from usage import limits
from usage.api.amounts import NumberField
from usage.api.names import EXA, METAPHOR
from usage.core.money import ZERO
from usage.limits import LimitState, LimitTerms
from usage.models import Account, Window

LIMIT_NAMES = (
    "gemini_calls",
    "openai_calls",
    "anthropic_calls",
    "mistral_calls",
    "tavily_calls",
    "serper_calls",
    "metaphor_calls",
    "exa_calls",
    "firecrawl_calls",
    "stability_calls",
    "ai_text_generation_calls",
    "video_calls",
    "image_edit_calls",
    "audio_calls",
    "wavespeed_calls",
    "gemini_tokens",
    "openai_tokens",
    "anthropic_tokens",
    "mistral_tokens",
    "monthly_cost",
)

# An amount per period: None is unlimited, 0 is nothing at all.
LimitAmounts = Mapping[str, Decimal | None]


class LimitBarsSerializer(serializers.Serializer[Any]):
    """Front ends draw no bar for 0, so unlimited and none are both 0; `limit_states` tells them apart."""

    limits = serializers.DictField(
        child=NumberField(), help_text="By name; 0 where it is unlimited and where it is not included."
    )
    limit_states = serializers.DictField(
        child=serializers.ChoiceField(choices=["capped", "unlimited", "none"]),
        help_text="The same names: capped at the amount in limits, unlimited, or none at all.",
    )


def limits_of(account: Account, *, at: datetime) -> LimitAmounts:
    """The limits of the billing period by name, the strictest of those that share one; a name these front
    ends know and no limit bears is unlimited.
    """
    return under_known_names(period_limits(account, at=at))


def period_limits(account: Account, *, at: datetime) -> LimitAmounts:
    """The limits of the billing period there are, by name; the strictest of those that share one."""
    return strictest(state for state in limits.states(account, at=at) if state.window == Window.PERIOD)


def strictest(of: Iterable[LimitState | LimitTerms]) -> LimitAmounts:
    """What the limits allow by name; of those that share one, the least."""
    amounts: dict[str, Decimal | None] = {}
    for each in of:
        both = [amount for amount in (amounts.get(each.name), each.amount) if amount is not None]
        amounts[each.name] = min(both, default=None)
    return amounts


def under_known_names(amounts: LimitAmounts) -> LimitAmounts:
    """The same with every name these front ends know. One provider stands under two of them: what limits it
    limits both.
    """
    metaphor, exa = (amounts.get(f"{name}_calls") for name in (METAPHOR, EXA))
    least = min((amount for amount in (metaphor, exa) if amount is not None), default=None)
    both = dict.fromkeys((f"{METAPHOR}_calls", f"{EXA}_calls"), least)
    return {**dict.fromkeys(LIMIT_NAMES), **amounts, **both}


def bars(amounts: LimitAmounts) -> dict[str, Any]:
    """The fields of `LimitBarsSerializer`."""
    return {
        "limits": {name: amount or ZERO for name, amount in amounts.items()},
        "limit_states": {name: _state(amount) for name, amount in amounts.items()},
    }


def _state(amount: Decimal | None) -> Literal["capped", "unlimited", "none"]:
    if amount is None:
        return "unlimited"
    return "capped" if amount else "none"
