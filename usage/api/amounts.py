"""How money and totals look in answers. Amounts stay Decimals; the renderer spells them digit for digit."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from usage.queries import Totals

CURRENCY = "USD"


@extend_schema_field(
    {"type": "string", "format": "decimal", "pattern": r"^\d+(\.\d+)?$", "example": "0.0035"}
)
class AmountField(serializers.Field[Decimal, Any, Decimal, Decimal]):
    """An exact amount, which the renderer sends as a decimal string."""

    def to_representation(self, value: Decimal) -> Decimal:
        return value


@extend_schema_field(
    {"type": "string", "format": "decimal", "pattern": r"^-?\d+(\.\d+)?$", "example": "-12.5"}
)
class SignedAmountField(AmountField):
    """An exact amount that may be below nothing: then it is the customer's."""


@extend_schema_field({"type": "number", "minimum": 0, "example": 0.0035})
class NumberField(AmountField):
    """An exact amount under /api/subscription/, where the renderer sends it as a JSON number."""


class UnitsSerializer(serializers.Serializer[Totals]):
    """What calls consumed besides tokens."""

    requests = serializers.IntegerField()
    searches = serializers.IntegerField()
    images = serializers.IntegerField()
    pages = serializers.IntegerField()
    seconds = AmountField()
    characters = serializers.IntegerField()


class TotalsSerializer(serializers.Serializer[Totals]):
    """What some calls add up to. `tokens` is input and output; other classes of tokens are part of those."""

    calls = serializers.IntegerField()
    # Declared fields are taken out of the class, so the serializer's own `errors` stays what it is.
    errors = serializers.IntegerField(  # type: ignore[assignment]
        help_text="Calls answered with status 400 or above."
    )
    error_rate = serializers.FloatField(help_text="Percent of the calls.")
    average_response_time = serializers.FloatField(
        source="average_response_s", help_text="Seconds, over the calls that reported a time."
    )
    tokens = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    cached_input_tokens = serializers.IntegerField()
    cache_write_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    units = UnitsSerializer(source="*")
    cost = AmountField(help_text="Unrounded, in the answer's currency.")


class BriefTotalsSerializer(serializers.Serializer[Totals]):
    """The totals one usually draws."""

    calls = serializers.IntegerField()
    errors = serializers.IntegerField()  # type: ignore[assignment]
    tokens = serializers.IntegerField()
    cost = AmountField()
