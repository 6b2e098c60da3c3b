"""Events made into rows of the log.

Everything that can be wrong with one event is found here, before the database is written to; what comes out
is a line for the incoming table in PostgreSQL's COPY text form, the fastest form it reads.
"""

from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from usage.core.errors import PricingException
from usage.core.money import ZERO, parse_amount
from usage.core.rating import BATCH_REQUEST_TYPES, FREE, Cost, Price, Quantities, impossible, is_priced, rate
from usage.core.surcharges import Surcharges, surcharge, terms_at
from usage.events import NO_UNITS, ReportedCost, Units, UsageData, UsageEvent, content_hash
from usage.models import CostSource
from usage.pricebook import ANY_MODEL, PriceBook
from usage.providers import PROVIDERS, Provider, find

FIRST_ERROR_STATUS = 400
NULL = r"\N"
LOCAL = CostSource.LOCAL.value
NO_SURCHARGES: Surcharges = {}


class Rejected(Exception):
    """This event cannot be recorded: `code` for machines, `pointer` to the field, `message` for people."""

    def __init__(self, code: str, pointer: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.pointer = pointer
        self.message = message


class Row(NamedTuple):
    """One event ready for COPY: what it cost, and its line."""

    cost: Decimal
    line: str


class Rated(NamedTuple):
    """What an event's call consumed and cost, who says so, and the price book's name of the model.

    `surcharge` is what the account's terms add to `cost`.
    """

    quantities: Quantities
    cost: Cost
    source: str
    model: str
    price_id: int | None
    surcharge: Decimal = ZERO


def row_of(
    event: UsageEvent,
    *,
    position: int,
    account_id: int,
    billing_period_id: int,
    book: PriceBook,
    at: datetime,
    subject: str,
    surcharges: Surcharges,
) -> Row:
    """The log row of `event`, rated from `book` and with the account's `surcharges`; `at` stands in for a
    missing time, `subject` for a missing one. Raises Rejected.
    """
    data = event.data
    provider = find(data.provider)
    if provider is None:
        raise Rejected(
            "provider_unknown",
            "/data/gen_ai.provider.name",
            f"The provider {data.provider!r} is not metered here; known are {', '.join(PROVIDERS)}.",
        )
    occurred_at = event.time or at
    rated = rate_call(data, provider=provider, occurred_at=occurred_at, book=book, surcharges=surcharges)
    price_id = NULL if rated.price_id is None else rated.price_id
    # The customer's own provider key was charged: what it was is worth knowing, and not billed.
    cost, list_cost = (FREE, f"{rated.cost.total!s}") if data.byok else (rated.cost, NULL)
    total = cost.total + rated.surcharge
    line = (
        f"{position}\t{content_hash(event, subject=subject)}\t{provider.kind}\t"
        f"{account_id}\t{billing_period_id}\t{price_id}\t"
        f"{occurred_at.isoformat()}\t{_counts(data, rated.quantities)}\t"
        f"{data.status_code}\t{data.retry_count}\t{rated.quantities.seconds or NULL!s}\t"
        f"{cost.input!s}\t{cost.output!s}\t{total!s}\t{rated.source}\t"
        f"{rated.surcharge or NULL!s}\t{list_cost}\t"
        f"{_texts(event, provider=provider, model=rated.model)}\n"
    )
    return Row(total, line)


def rate_call(
    data: UsageData,
    *,
    provider: Provider,
    occurred_at: datetime,
    book: PriceBook,
    surcharges: Surcharges = NO_SURCHARGES,
) -> Rated:
    """Quantities and cost of one reported call. Raises Rejected when they cannot be, or have no price.

    A reported amount goes before the book. A failed call that states no quantities costs nothing and needs no
    price; a successful one that states none consumed the provider's one unit of a call, where it has one.
    Surcharges come on top, whoever says what the call cost and whoever's key paid for it.
    """
    sent = data.response_model or data.request_model
    failed = data.status_code >= FIRST_ERROR_STATUS
    stated = _stated(data, provider=provider, failed=failed)
    quantities = stated or _unstated(provider, failed=failed)
    if (wrong := impossible(quantities)) is not None:
        raise Rejected("quantities_impossible", _POINTERS[wrong[0]], f"{wrong[0]}: {wrong[1]}.")
    source = LOCAL if data.cost is None else data.cost.source
    reported = None if data.cost is None else _reported(data.cost)
    added = ZERO
    if surcharges:
        terms = terms_at(surcharges, data.request_type or data.operation, at=occurred_at)
        added = surcharge(terms, quantities)
    if reported is not None:
        return Rated(quantities, reported, source, book.name_of(provider.key, sent), None, added)
    if failed and stated is None:
        return Rated(quantities, FREE, source, book.name_of(provider.key, sent), None)
    price, sent = _price(data, provider=provider, occurred_at=occurred_at, book=book)
    if stated is None and not provider.unit_of_a_call and price.standard.units.request is None:
        raise Rejected(
            "quantities_missing",
            "/data",
            "The event does not say what the call consumed: give token counts, units or a cost.",
        )
    batch = data.request_type in BATCH_REQUEST_TYPES
    cost = rate(quantities, price, batch=batch)
    if not cost.total and not added and stated is not None:
        # Nothing to pay must be the price's word. That every call is one request does not count as stated.
        said = stated if data.units.requests is not None else stated._replace(requests=0)
        if not is_priced(said, price, batch=batch):
            raise Rejected(
                "quantities_unpriced",
                "/data",
                f"{provider.name} has no price for what is stated of {sent or 'this call'}: state what it "
                "charges for (tokens, searches, images, pages, seconds, characters), or a cost.",
            )
    model = sent if price.model == ANY_MODEL else price.model
    if book.knows(provider.key, data.request_model):
        # Under the name it was asked and held for, whichever version of it answered and set the price.
        model = book.name_of(provider.key, data.request_model)
    return Rated(quantities, cost, source, model, price.id, added)


def _price(
    data: UsageData, *, provider: Provider, occurred_at: datetime, book: PriceBook
) -> tuple[Price, str]:
    """The price of the model that answered, or of the one asked for where routers answer under a name that
    nobody sells (Hugging Face drops the ":groq" of its request); and the name it was found by.
    """
    names = [name for name in (data.response_model, data.request_model) if name] or [""]
    for name in names[:-1]:
        with suppress(PricingException):
            return book.find(provider.key, name, at=occurred_at), name
    try:
        return book.find(provider.key, names[-1], at=occurred_at), names[-1]
    except PricingException as unknown:
        field = "response" if data.response_model else "request"
        raise Rejected(unknown.error_code, f"/data/gen_ai.{field}.model", unknown.message) from None


_POINTERS = {
    "input_tokens": "/data/gen_ai.usage.input_tokens",
    "cached_input_tokens": "/data/gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "/data/gen_ai.usage.cache_creation.input_tokens",
    "output_tokens": "/data/gen_ai.usage.output_tokens",
    "reasoning_tokens": "/data/gen_ai.usage.reasoning.output_tokens",
    **{unit: f"/data/units/{unit}" for unit in Units.__struct_fields__},
}


def _stated(data: UsageData, *, provider: Provider, failed: bool) -> Quantities | None:
    """What the event says the call consumed, or None when it says nothing. A call is one request.

    Requests alone, of a provider that charges one unit a call, are that many units.
    """
    units = data.units
    if (
        data.input_tokens is None
        and data.output_tokens is None
        and data.cached_input_tokens is None
        and data.cache_write_tokens is None
        and data.reasoning_tokens is None
        and units == NO_UNITS
    ):
        return None
    tokens = (
        data.input_tokens or 0,
        data.cached_input_tokens or 0,
        data.cache_write_tokens or 0,
        data.output_tokens or 0,
        data.reasoning_tokens or 0,
    )
    one_request = 0 if failed else 1
    if units is NO_UNITS:
        return Quantities(*tokens, one_request)
    if provider.unit_of_a_call and not failed and units == Units(requests=units.requests):
        return _calls(provider, units.requests or 0)
    return Quantities(
        *tokens,
        one_request if units.requests is None else units.requests,
        units.searches or 0,
        units.images or 0,
        units.pages or 0,
        Decimal(units.seconds) if units.seconds else ZERO,
        units.characters or 0,
    )


def _unstated(provider: Provider, *, failed: bool) -> Quantities:
    if failed:
        return Quantities()
    return _calls(provider, 1)


def _calls(provider: Provider, count: int) -> Quantities:
    """That many calls, each with the one unit it consumes where the provider charges so."""
    return Quantities(
        requests=count,
        searches=count if provider.unit_of_a_call == "searches" else 0,
        pages=count if provider.unit_of_a_call == "pages" else 0,
    )


def _reported(cost: ReportedCost) -> Cost | None:
    """The amount the sender states, or None when the price book shall rate the call."""
    if cost.source == "local":
        if cost.amount is not None:
            raise Rejected(
                "cost_contradictory",
                "/data/cost/amount",
                "A cost of source local is computed here: leave the amount out, or say who reported it.",
            )
        return None
    if cost.amount is None:
        if cost.source == "provider":
            raise Rejected(
                "cost_missing", "/data/cost/amount", "A cost reported by the provider needs its amount."
            )
        return None
    return Cost(ZERO, ZERO, parse_amount(cost.amount))


def _counts(data: UsageData, quantities: Quantities) -> str:
    """The count columns. A count of zero is stored as NULL: it takes no room, and adds up the same."""
    (
        tokens_in,
        cached,
        cache_write,
        tokens_out,
        reasoning,
        requests,
        searches,
        images,
        pages,
        _,
        characters,
    ) = quantities
    response_ms = NULL if data.response_time is None else round(data.response_time * 1000)
    request_size = NULL if data.request_size is None else data.request_size
    response_size = NULL if data.response_size is None else data.response_size
    return (
        f"{tokens_in or NULL}\t{cached or NULL}\t{cache_write or NULL}\t{tokens_out or NULL}\t"
        f"{reasoning or NULL}\t{requests or NULL}\t{searches or NULL}\t{images or NULL}\t{pages or NULL}\t"
        f"{characters or NULL}\t{response_ms}\t{request_size}\t{response_size}"
    )


def _texts(event: UsageEvent, *, provider: Provider, model: str) -> str:
    """The text columns, escaped for COPY. Raises Rejected for a NUL, which PostgreSQL cannot store."""
    data = event.data
    texts = (
        event.source,
        event.id,
        provider.key,
        data.provider,
        model,
        data.response_model or data.request_model,
        data.endpoint,
        data.method,
        data.request_type or data.operation,
        data.tags.team,
        data.tags.project,
        data.tags.department,
        data.end_user,
        data.authorization,
        data.error_message,
    )
    joined = "\t".join(texts)
    if _is_plain(joined, tabs=len(texts) - 1):
        return joined
    if "\x00" in joined:
        pointer = next(at for at, text in zip(_TEXT_POINTERS, texts, strict=True) if "\x00" in text)
        raise Rejected("text_invalid", pointer, "The text contains a NUL character, which cannot be stored.")
    return "\t".join(text.translate(_ESCAPES) for text in texts)


_TEXT_POINTERS = (
    "/source",
    "/id",
    "/data/gen_ai.provider.name",
    "/data/gen_ai.provider.name",
    "/data/gen_ai.request.model",
    "/data/gen_ai.request.model",
    "/data/endpoint",
    "/data/method",
    "/data/request_type",
    "/data/tags/team",
    "/data/tags/project",
    "/data/tags/department",
    "/data/end_user",
    "/data/authorization",
    "/data/error_message",
)
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _is_plain(joined: str, *, tabs: int) -> bool:
    return (
        "\\" not in joined
        and "\n" not in joined
        and "\r" not in joined
        and "\x00" not in joined
        and joined.count("\t") == tabs
    )
