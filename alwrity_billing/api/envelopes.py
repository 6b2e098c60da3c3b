"""JSON as clients of each part of the API expect it: the legacy envelope, bare bodies, exact money.

Under /api/subscription/ a body stands in `{"success": true, "data": …}` and money is a JSON number, because
the clients of that group require it; everywhere else bodies are bare and money is a decimal string. Neither
ever passes through a binary float.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer

from usage.core.money import format_amount

API_PREFIX = "/api/"
LEGACY_PREFIX = "/api/subscription/"
FIRST_ERROR_STATUS = 400


def is_legacy(path: str) -> bool:
    """Whether `path` belongs to the group with the legacy envelope."""
    return path.startswith(LEGACY_PREFIX)


def to_json(data: Any, *, money_as_numbers: bool) -> bytes:
    """`data` as JSON: plain data, dataclasses, structs, datetimes with offset, Decimals digit for digit.

    Raises ValueError for a Decimal that is not finite and for a datetime without offset.
    """
    plain = msgspec.to_builtins(data, builtin_types=(Decimal, datetime), enc_hook=_plain)
    return msgspec.json.encode(_spelled(plain, money_as_numbers))


class ApiRenderer(BaseRenderer):
    """Renders every API response. A legacy view with `bare = True` goes without the envelope."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        context = renderer_context or {}
        if data is None and context["response"].status_code == 204:
            return b""
        legacy = is_legacy(context["request"].path_info)
        if legacy and _wants_envelope(context):
            data = {"success": True, "data": data}
        return to_json(data, money_as_numbers=legacy)


def _wants_envelope(context: Mapping[str, Any]) -> bool:
    failed = context["response"].status_code >= FIRST_ERROR_STATUS
    return not failed and not getattr(context["view"], "bare", False)


def _plain(value: Any) -> str:
    # Lazy translations, and the subclasses of str that Django and DRF are fond of.
    if isinstance(value, str | Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _spelled(value: Any, money_as_numbers: bool) -> Any:
    match value:
        case dict():
            return {name: _spelled(member, money_as_numbers) for name, member in value.items()}
        case list() | tuple():
            return [_spelled(member, money_as_numbers) for member in value]
        case Decimal():
            return _amount(value, money_as_numbers)
        case datetime() if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no offset")
    return value


def _amount(amount: Decimal, money_as_numbers: bool) -> str | msgspec.Raw:
    if not amount.is_finite():
        raise ValueError(f"{amount} is not a finite amount")
    digits = format_amount(amount)
    return msgspec.Raw(digits.encode()) if money_as_numbers else digits
