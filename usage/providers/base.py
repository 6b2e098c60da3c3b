"""What there is to know about a provider."""

from dataclasses import dataclass
from typing import Literal

from usage.wire.base import Wire

Kind = Literal["llm", "search", "scrape", "image"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One upstream API.

    `key` is our name for it, in rows and answers; `aliases` are the names senders use, in lower case
    (OpenTelemetry's `gen_ai.provider.name` values among them). `price_list` is its id in genai-prices, empty
    when that package does not carry it. `model_prefixes` are vendor prefixes some clients put before the
    model.
    `wire` reads its requests and answers; without one its calls are metered by their senders' events alone.
    `unit_of_a_call` is the one unit a successful call consumes when its event names no quantity at all.
    """

    key: str
    name: str
    kind: Kind
    hosts: tuple[str, ...]
    aliases: frozenset[str] = frozenset()
    price_list: str = ""
    model_prefixes: tuple[str, ...] = ()
    unit_of_a_call: Literal["searches", "pages", ""] = ""
    wire: Wire | None = None
