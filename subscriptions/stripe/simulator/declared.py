"""The parameters each call declares, as Stripe's own library types them. The one user of `stripe` here."""

import datetime
import types
import typing
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import stripe.params
import typing_extensions
from stripe import RequestOptions
from stripe._stripe_object import UntypedStripeObject

from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError

# Names that the library's annotations use and import for type checkers only.
UNIMPORTED = {"StripeContext": str, "Mapping": Mapping}
# Better refused than left out silently: they would change amounts, or whose money it is.
NOT_SIMULATED = {
    "application_fee_amount",
    "cash_balance",
    "confirmation_token",
    "default_tax_rates",
    "discounts",
    "from_invoice",
    "on_behalf_of",
    "payment_method_data",
    "price",
    "shipping_cost",
    "shipping_options",
    "source",
    "subscription",
    "tax_amounts",
    "tax_id_data",
    "tax_rates",
    "test_clock",
    "transfer_data",
}
NOT_SIMULATED_VALUES = {"capture_method": "manual", "tax_behavior": "inclusive"}
METADATA_KEYS = 50
METADATA_KEY_LENGTH = 40
METADATA_VALUE_LENGTH = 500


def check(name: str, raw: Json) -> Json:
    """The parameters of a call, typed as its TypedDict (`checkout.SessionCreateParams`) says.

    Raises ApiError naming the parameter that is unknown, missing, malformed, of an undeclared value, or not
    simulated.
    """
    return _fields(_typed_dict(name), raw, at="")


@cache
def _typed_dict(name: str) -> type:
    found: Any = stripe.params
    for part in name.split("."):
        found = getattr(found, part)
    return typing.cast(type, found)


@cache
def _hints(declared: type) -> dict[str, Any]:
    hints = typing.get_type_hints(declared, localns=UNIMPORTED)
    own_words = RequestOptions.__annotations__ if "idempotency_key" in hints else {}
    return {key: hint for key, hint in hints.items() if key not in own_words}


def _fields(declared: type, raw: Json, *, at: str) -> Json:
    hints = _hints(declared)
    for key in raw:
        if key not in hints:
            name = _name(at, key)
            raise ApiError(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
        if (key in NOT_SIMULATED and raw[key] != "") or raw[key] == NOT_SIMULATED_VALUES.get(key):
            name = _name(at, key)
            raise ApiError(f"The Stripe simulator does not simulate {name}", param=name)
    for key in sorted(getattr(declared, "__required_keys__", frozenset())):
        if key in hints and key not in raw:
            name = _name(at, key)
            raise ApiError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return {key: _value(hints[key], value, at=_name(at, key)) for key, value in raw.items()}


def _name(at: str, key: str) -> str:
    return f"{at}[{key}]" if at else key


def _value(hint: Any, raw: Any, *, at: str) -> Any:
    choices = _choices(hint)
    if isinstance(raw, dict):
        return _nested(choices, raw, at=at)
    allowed = [value for choice in choices for value in _literals(choice)]
    if raw in allowed:
        return raw
    # Stripe's library types an enumeration as Literal or str, for values to come; the API knows them all.
    if any(allowed) and all(choice is str or _literals(choice) for choice in choices):
        known = ", ".join(str(value) for value in allowed if value)
        raise ApiError(f"Invalid {at}: must be one of {known}", param=at)
    return _scalar(choices, raw, at=at)


def _choices(hint: Any) -> list[Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [choice for part in typing.get_args(hint) for choice in _choices(part)]
    return [hint]


def _literals(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def _nested(choices: list[Any], raw: Json, *, at: str) -> Any:
    is_list = all(key.isdecimal() for key in raw)
    for choice in choices:
        origin = typing.get_origin(choice)
        if origin is list and is_list:
            (item,) = typing.get_args(choice)
            return [_value(item, raw[key], at=f"{at}[{key}]") for key in sorted(raw, key=int)]
        if typing_extensions.is_typeddict(choice):
            return _fields(choice, raw, at=at)
        if origin in (dict, UntypedStripeObject):
            return _metadata(raw, at=at)
    raise ApiError(f"Invalid value for {at}: it cannot be nested", param=at)


def _metadata(raw: Json, *, at: str) -> dict[str, str]:
    """The only free-form parameters, within the bounds that Stripe sets."""
    if len(raw) > METADATA_KEYS:
        raise ApiError(f"Metadata can have up to {METADATA_KEYS} keys.", param=at)
    for key, value in raw.items():
        name = _name(at, key)
        if len(key) > METADATA_KEY_LENGTH:
            raise ApiError(
                f"Metadata keys can have up to {METADATA_KEY_LENGTH} characters: {key}", param=name
            )
        if len(_value(str, value, at=name)) > METADATA_VALUE_LENGTH:
            raise ApiError(
                f"Metadata values can have up to {METADATA_VALUE_LENGTH} characters, but you passed in a "
                f"value that is {len(value)} characters.",
                param=name,
            )
    return raw


def _scalar(choices: list[Any], raw: str, *, at: str) -> Any:
    if bool in choices and raw in ("true", "false"):
        return raw == "true"
    if int in choices or datetime.datetime in choices:
        if raw.removeprefix("-").isdecimal():
            return int(raw)
        if str not in choices:
            raise ApiError(f"Invalid integer: {raw}", code="parameter_invalid_integer", param=at)
    if Decimal in choices:
        return _decimal(raw, at=at)
    if str in choices:
        return raw
    if bool in choices:
        raise ApiError(f"Invalid boolean: {raw}", param=at)
    raise ApiError(f"Invalid value for {at}: '{raw}'", param=at)


def _decimal(raw: str, *, at: str) -> str:
    """The text as given: decimals stay text on the wire both ways."""
    try:
        is_number = Decimal(raw).is_finite()
    except InvalidOperation:
        is_number = False
    if not is_number:
        raise ApiError(f"Invalid decimal: {raw}", param=at)
    return raw
