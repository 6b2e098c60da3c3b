"""Stripe Tax: what tax comes to at an address, and the transactions that report it."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from tests.support.stripe_simulator import event_types, refused

IN_GERMANY = {"country": "DE"}
EXPIRED = timedelta(days=91)


def a_calculation(api: Any, *amounts: int, address: dict[str, str] | None = None, **fields: Any) -> Any:
    lines = [
        {"amount": amount, "reference": f"line-{number}", "tax_code": "txcd_10103001"}
        for number, amount in enumerate(amounts or (1000,))
    ]
    customer = {"address": IN_GERMANY if address is None else address, "address_source": "billing"}
    return api.tax.calculations.create(
        {"currency": "usd", "line_items": lines, "customer_details": customer, **fields}
    )


def a_transaction(api: Any, *amounts: int, reference: str = "order-1") -> Any:
    calculation = a_calculation(api, *amounts)
    return api.tax.transactions.create_from_calculation(
        {"calculation": calculation.id, "reference": reference}
    )


def reverse(api: Any, transaction: Any, reference: str = "order-1-back", **fields: Any) -> Any:
    how = {"mode": "partial", **fields} if fields else {"mode": "full"}
    return api.tax.transactions.create_reversal(
        {"original_transaction": transaction.id, "reference": reference, **how}
    )


def lines_of(api: Any, transaction: Any) -> list[tuple[int, int]]:
    found = api.tax.transactions.line_items.list(transaction.id).data
    return [(line.amount, line.amount_tax) for line in found]


@pytest.mark.parametrize(
    ("address", "amounts", "tax", "reason"),
    [
        ({"country": "DE"}, (1000, 500), 285, "standard_rated"),  # 190 + 95
        ({"country": "DE"}, (50, 50), 20, "standard_rated"),  # each 9.5, rounded up per line
        ({"country": "US", "postal_code": "78701"}, (1000,), 0, "not_collecting"),
        ({"country": "CA", "state": "ON"}, (1000,), 0, "not_collecting"),
    ],
)
def test_tax_comes_on_top(
    api: Any, address: dict[str, str], amounts: tuple[int, ...], tax: int, reason: str
) -> None:
    made = a_calculation(api, *amounts, address=address)

    found = api.tax.calculations.retrieve(made.id, {"expand": ["line_items"]})

    assert (found.tax_amount_exclusive, found.amount_total) == (tax, sum(amounts) + tax)
    assert [line.amount for line in found.line_items.data] == list(amounts)
    assert found.tax_breakdown[0].taxability_reason == reason
    assert event_types(api) == []


@pytest.mark.parametrize(
    "address",
    [{"country": "US"}, {"country": "CA"}, {"country": "XX"}, {"country": ""}],
)
def test_an_address_has_to_say_where_the_customer_is(api: Any, address: dict[str, str]) -> None:
    with refused() as error:
        a_calculation(api, address=address)

    assert error().code == "customer_tax_location_invalid"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"customer": "cus_1"}, "customer"),
        ({"customer_details": {"address_source": "billing"}}, "customer_details[address]"),
        ({"customer_details": {"address": IN_GERMANY}}, "customer_details[address_source]"),
        (
            {"customer_details": {"address": IN_GERMANY, "taxability_override": "customer_exempt"}},
            "customer_details[taxability_override]",
        ),
        ({"line_items": [{"amount": -1}]}, "line_items[0][amount]"),
        ({"line_items": [{"amount": 1, "tax_code": "saas"}]}, "line_items[0][tax_code]"),
        ({"line_items": [{"amount": 1, "tax_behavior": "inclusive"}]}, "line_items[0][tax_behavior]"),
        ({"line_items": [{"amount": 1, "reference": "a"}, {"amount": 1, "reference": "a"}]}, "line_items"),
        ({"line_items": [{"amount": 1, "price": "price_1"}]}, "line_items[0][price]"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(api: Any, fields: dict[str, Any], param: str) -> None:
    with refused() as error:
        a_calculation(api, **fields)

    assert error().param == param


def test_a_calculation_is_reported_once(api: Any) -> None:
    calculation = a_calculation(api, 1000)
    first = api.tax.transactions.create_from_calculation(
        {"calculation": calculation.id, "reference": "order-1"}
    )

    with refused() as error:
        api.tax.transactions.create_from_calculation({"calculation": calculation.id, "reference": "order-2"})

    assert (error().param, first.type, first.reversal) == ("calculation", "transaction", None)
    assert lines_of(api, api.tax.transactions.retrieve(first.id)) == [(1000, 190)]


def test_a_reference_is_given_once_to_reversals_too(api: Any) -> None:
    transaction = a_transaction(api)
    reverse(api, transaction, "order-1-back", flat_amount=-100)

    for again in ("order-1", "order-1-back"):
        with refused() as error:
            a_transaction(api, reference=again)
        assert error().param == "reference"


def test_a_calculation_expires(api: Any) -> None:
    calculation = a_calculation(api)

    with time_machine.travel(timezone.now() + EXPIRED), refused() as error:
        api.tax.transactions.create_from_calculation({"calculation": calculation.id, "reference": "order-1"})

    assert error().param == "calculation"


class TestReversals:
    def test_in_full(self, api: Any) -> None:
        transaction = a_transaction(api, 1000, 500)

        back = reverse(api, transaction)

        assert (back.type, back.reversal.original_transaction) == ("reversal", transaction.id)
        assert lines_of(api, back) == [(-1000, -190), (-500, -95)]

    def test_in_part_each_line_and_its_tax_by_their_share(self, api: Any) -> None:
        back = reverse(api, a_transaction(api, 1000), flat_amount=-119)

        assert lines_of(api, back) == [(-100, -19)]

    @pytest.mark.parametrize(("amount", "is_taken"), [(0, False), (-1, True), (-1071, True), (-1072, False)])
    def test_never_more_than_is_left(self, api: Any, amount: int, is_taken: bool) -> None:
        transaction = a_transaction(api, 1000)
        reverse(api, transaction, flat_amount=-119)

        if is_taken:
            assert reverse(api, transaction, "order-1-more", flat_amount=amount).type == "reversal"
            return
        with refused() as error:
            reverse(api, transaction, "order-1-more", flat_amount=amount)
        assert error().param == "flat_amount"

    def test_not_in_full_after_a_part(self, api: Any) -> None:
        transaction = a_transaction(api)
        reverse(api, transaction, flat_amount=-119)

        with refused() as error:
            reverse(api, transaction, "order-1-more")

        assert error().param == "mode"

    def test_a_reversal_is_not_reversed(self, api: Any) -> None:
        back = reverse(api, a_transaction(api))

        with refused() as error:
            reverse(api, back, "order-1-again")

        assert error().param == "original_transaction"

    @pytest.mark.parametrize(
        ("fields", "param"),
        [({"mode": "partial"}, "flat_amount"), ({"line_items": []}, "flat_amount")],
    )
    def test_a_part_says_how_much(self, api: Any, fields: dict[str, Any], param: str) -> None:
        with refused() as error:
            reverse(api, a_transaction(api), **fields)

        assert error().param == param
