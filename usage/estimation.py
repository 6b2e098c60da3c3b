"""The worst case of an operation: what is held for it until the provider has said what it consumed."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from usage.core.errors import PricingException
from usage.core.money import ZERO
from usage.core.rating import BATCH_REQUEST_TYPES, Price, Quantities, dearest, rate
from usage.operations import Operation
from usage.pricebook import ANY_MODEL, PriceBook
from usage.providers import PROVIDERS, Provider, find
from usage.wire.openai_windows import ROUNDING_DIVISOR, context_window
from usage.wire.output_caps import max_output_of


def worst_cases(operations: Sequence[Operation], book: PriceBook, *, at: datetime) -> list[dict[str, Any]]:
    """What `usage_authorize` takes: for each operation one call of it, priced at `at` but for the output
    tokens, whose cap may be the account's to know, and for the account's surcharges. Raises PricingException.
    """
    return [_worst_case(operation, position, book, at=at) for position, operation in enumerate(operations)]


def _worst_case(operation: Operation, position: int, book: PriceBook, *, at: datetime) -> dict[str, Any]:
    provider = find(operation.provider)
    if provider is None:
        raise PricingException(
            f"The provider {operation.provider!r} is not metered here; known are {', '.join(PROVIDERS)}.",
            code="provider_unknown",
            details={"pointer": f"/operations/{position}/provider"},
        )
    try:
        price = book.find(provider.key, operation.model, at=at)
    except PricingException as unknown:
        unknown.details["pointer"] = f"/operations/{position}/model"
        raise
    batch = operation.request_type in BATCH_REQUEST_TYPES
    input_tokens = _input_tokens(operation, position, provider, price, batch=batch)
    tokens = dearest(price, input_tokens=input_tokens, batch=batch)
    quantities = _units(operation, provider)
    if not _says_what_it_costs(quantities, price, batch=batch):
        raise PricingException(
            f"What a call of {provider.name} consumes is not known: give units, an upper bound of them.",
            code="quantities_missing",
            details={"pointer": f"/operations/{position}/units"},
        )
    cost = rate(quantities, price, batch=batch).total + input_tokens * (tokens.input or ZERO)
    known_cap = max_output_of(provider.key, operation.model)
    return {
        "position": position,
        "provider": provider.key,
        "kind": provider.kind,
        "model": operation.model if price.model == ANY_MODEL else price.model,
        "request_type": operation.request_type,
        "team": operation.tags.team,
        "project": operation.tags.project,
        "calls": operation.calls,
        "input_tokens": input_tokens,
        "output_cap": _output_cap(operation, generates=tokens.output is not None),
        "known_cap": known_cap,
        "output_price": ZERO if operation.byok else tokens.output or ZERO,
        "cost": ZERO if operation.byok else cost,
        "requests": quantities.requests,
        "searches": quantities.searches,
        "images": quantities.images,
        "pages": quantities.pages,
        "seconds": quantities.seconds,
        "characters": quantities.characters,
        "price_id": price.id,
        "price_source": price.source,
        # What the settlement of a call falls back on (`usage.settlement.Said`); nothing here looks at it.
        "said": {
            "request_type": operation.request_type,
            "endpoint": operation.endpoint,
            "tags": operation.tags,
            "byok": operation.byok,
        },
    }


def _output_cap(operation: Operation, *, generates: bool) -> int | None:
    """The output tokens held, where the operation decides it; None leaves it to the model and the account."""
    if operation.max_output_tokens is not None:
        return operation.max_output_tokens
    return None if generates else 0


def _input_tokens(
    operation: Operation, position: int, provider: Provider, price: Price, *, batch: bool
) -> int:
    """What the operation says, or all that fits into the model where its input costs by the token."""
    if operation.input_tokens is not None:
        return operation.input_tokens
    if not price.rates(batch=batch).tokens.input:
        return 0
    window = context_window(operation.model, price_list=provider.price_list) if provider.price_list else None
    if window is None:
        raise PricingException(
            f"How many input tokens {operation.model or 'the call'} can have is not known: "
            "give input_tokens, an upper bound of them.",
            code="quantities_missing",
            details={"pointer": f"/operations/{position}/input_tokens"},
        )
    return window + window // ROUNDING_DIVISOR


def _says_what_it_costs(units: Quantities, price: Price, *, batch: bool) -> bool:
    """Whether the price is by the token or the request, or some unit is named."""
    rates = price.rates(batch=batch)
    by_token = rates.tokens.input is not None or rates.tokens.output is not None
    return by_token or rates.units.request is not None or units._replace(requests=0) != Quantities()


def _units(operation: Operation, provider: Provider) -> Quantities:
    """The units of one call; a provider that charges one unit a call gets it where none is named."""
    units = operation.units
    named = Quantities(
        requests=1 if units.requests is None else units.requests,
        searches=units.searches or 0,
        images=units.images or 0,
        pages=units.pages or 0,
        seconds=Decimal(units.seconds or 0),
        characters=units.characters or 0,
    )
    if named._replace(requests=0) != Quantities():
        return named
    return named._replace(
        searches=1 if provider.unit_of_a_call == "searches" else 0,
        pages=1 if provider.unit_of_a_call == "pages" else 0,
    )
