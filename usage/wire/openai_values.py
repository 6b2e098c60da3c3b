"""Values of OpenAI's formats, beyond what every wire needs of JSON."""

import json
from collections.abc import Callable, Iterator
from decimal import ROUND_UP, Decimal
from typing import Any

import msgspec

from usage.events import MAX_COUNT, MAX_SECONDS, SECONDS_PLACES
from usage.wire.bodies import count_of, encoded, fields_of, list_in, object_in, object_of

MILLISECOND = Decimal(1).scaleb(-SECONDS_PLACES)


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`, empty when there is none.

    What a strict reader refuses and a provider may take (half a surrogate pair, NaN, 1e999) is read all the
    same: a request must not slip past its cap by being odd.
    """
    return object_of(data) or _read_odd_object(data)


def objects(value: object) -> list[dict[str, Any]]:
    """The objects of an array; none when it is no array."""
    return [item for item in list_in(value) if isinstance(item, dict)]


def bounded_count(value: object) -> int | None:
    """The whole number that `value` is, if an event can carry it, else None."""
    found = count_of(value)
    return found if found is not None and found <= MAX_COUNT else None


def seconds(value: object) -> str | None:
    """A duration (number, or text of one) as an event carries it, part of a millisecond counted in full."""
    try:
        amount = Decimal(str(value)) if not isinstance(value, bool) else None
        if amount is None or not 0 <= amount <= MAX_SECONDS:
            return None
        return str(amount.quantize(MILLISECOND, ROUND_UP))
    except ArithmeticError:
        return None


def leaves(value: object, *, skip: frozenset[str]) -> Iterator[str]:
    """Every text inside `value`, without what stands under the names in `skip`."""
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, list):
            pending.extend(reversed(found))
        elif isinstance(found, dict):
            pending.extend(inner for name, inner in reversed(found.items()) if name not in skip)


def replaced(body: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """`body` with the fields that `change` answers for it; every other value stays byte for byte.

    The same bytes when nothing changes or when the body is no JSON object.
    """
    said = read_object(body)
    changes = change(said) if said else {}
    if not changes:
        return body
    fields = fields_of(body)
    if fields is None:
        return json.dumps({**said, **changes}).encode()
    return encoded(
        {**fields, **{name: msgspec.Raw(json.dumps(value).encode()) for name, value in changes.items()}}
    )


def _read_odd_object(data: bytes) -> dict[str, Any]:
    try:
        return object_in(json.loads(data))
    except (ValueError, RecursionError):
        return {}
