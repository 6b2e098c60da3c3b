"""Surcharges of an account, from the door they come in by to the log row, the limits and the hold."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.support.authorizing import a_limit, an_operation, ask, counters, is_granted, limit, settle
from tests.support.cast import NOW, an_account, an_event
from tests.support.concurrency import at_once
from tests.support.invariants import broken_invariants
from tests.support.recording import prepare, record, the_row
from usage import surcharges
from usage.core.errors import InvalidRequest
from usage.core.surcharges import SurchargeTerms
from usage.events import ReportedCost, Units
from usage.models import Account, APIUsageLog, Surcharge

pytestmark = pytest.mark.django_db

SMART = {"smart_inference": SurchargeTerms(Decimal("0.005"))}
TUNING = {"fine_tune": SurchargeTerms(Decimal(0), Decimal("0.02"))}
# 1000 input tokens at 2.50 and 100 output tokens at 10 USD per million.
USUAL = Decimal("0.0035")


@pytest.fixture(autouse=True)
def world() -> None:
    prepare()


def acme() -> Account:
    return Account.objects.get(external_id="acme")


def add(terms: dict[str, SurchargeTerms] = SMART, *, of: Account | None = None) -> None:
    surcharges.put(of or acme(), surcharges=terms, at=NOW)


def test_a_call_of_the_type_costs_its_price_and_the_surcharge() -> None:
    add()

    (outcome,) = record(an_event(request_type="smart_inference"))

    row = the_row()
    assert (row.cost, row.surcharge) == (USUAL + Decimal("0.005"), Decimal("0.005"))
    assert outcome.cost == "0.0085"


def test_a_call_of_another_type_carries_none() -> None:
    add()

    record(an_event(request_type="chat"))

    assert (the_row().cost, the_row().surcharge) == (USUAL, None)


def test_another_accounts_calls_carry_none() -> None:
    add(of=an_account("globex"))

    record(an_event(request_type="smart_inference"))

    assert the_row().cost == USUAL


def test_a_failed_call_without_quantities_carries_none() -> None:
    add()

    record(an_event(request_type="smart_inference", status_code=500, input_tokens=None, output_tokens=None))

    assert the_row().cost == 0


def test_a_customers_own_provider_key_does_not_spare_it() -> None:
    add()

    record(an_event(request_type="smart_inference", byok=True))

    assert (the_row().cost, the_row().list_cost) == (Decimal("0.005"), USUAL)


def test_a_cost_the_provider_reports_is_surcharged_too() -> None:
    add()

    reported = ReportedCost(source="provider", amount="0.10")
    record(an_event(request_type="smart_inference", cost=reported))

    assert the_row().cost == Decimal("0.105")


def test_hours_alone_are_something_to_pay_for() -> None:
    add(TUNING)

    hour = Units(seconds=3600)
    record(an_event(request_type="fine_tune", units=hour, input_tokens=None, output_tokens=None))

    assert the_row().cost == Decimal("0.02")


def test_a_late_call_carries_what_was_in_force_when_it_happened() -> None:
    add()
    before = NOW - timedelta(hours=1)

    record(an_event(at=before, request_type="smart_inference"), at=NOW + timedelta(hours=1))

    assert the_row().surcharge is None


def test_an_ended_surcharge_stays_on_record_for_calls_of_its_time() -> None:
    add()
    surcharges.put(acme(), surcharges={}, at=NOW + timedelta(hours=1))

    record(an_event("then", request_type="smart_inference"), at=NOW + timedelta(hours=2))
    record(
        an_event("now", at=NOW + timedelta(hours=2), request_type="smart_inference"),
        at=NOW + timedelta(hours=2),
    )

    assert [row.per_request for row in Surcharge.objects.all()] == [Decimal("0.005"), Decimal(0)]
    assert costs_by_event() == {"then": Decimal("0.0085"), "now": USUAL}


def costs_by_event() -> dict[str, Decimal]:
    return dict(APIUsageLog.objects.values_list("event_id", "cost"))


def test_putting_the_same_again_writes_nothing() -> None:
    add()
    surcharges.put(acme(), surcharges=SMART, at=NOW + timedelta(hours=1))

    assert Surcharge.objects.count() == 1


def test_the_hold_and_the_limits_include_it() -> None:
    add()
    limit(a_limit("1", "cost"))

    granted = ask(an_operation(request_type="smart_inference"))

    assert granted.decision.estimated_cost == "0.0085"
    assert counters("everything_cost_period") == (0, Decimal("0.0085"))
    settle(granted, request_type="smart_inference")
    assert counters("everything_cost_period") == (Decimal("0.0085"), 0)
    assert broken_invariants() == []


@pytest.mark.parametrize(("amount", "granted"), [("0.0085", True), ("0.0084", False)])
def test_a_limit_of_one_request_counts_it(amount: str, granted: bool) -> None:
    add()
    limit(a_limit(amount, "cost", "request"))

    assert is_granted(an_operation(request_type="smart_inference")) is granted


def test_a_hold_by_the_hour_is_never_less_than_the_bill() -> None:
    add(TUNING)
    operation = an_operation(
        request_type="fine_tune", input_tokens=0, max_output_tokens=0, units=Units(seconds=1)
    )

    granted = ask(operation)
    settle(granted, request_type="fine_tune", input_tokens=0, output_tokens=0, units=Units(seconds=1))

    assert granted.decision.estimated_cost == f"{the_row().cost}"


@pytest.mark.parametrize(
    ("request_type", "per_request", "told"),
    [
        ("", "0.1", "between 1 and 64 characters"),
        ("x" * 65, "0.1", "between 1 and 64 characters"),
        ("a\x00b", "0.1", "between 1 and 64 characters"),
        ("chat", "-0.1", "0 or more USD"),
        ("chat", "NaN", "0 or more USD"),
        ("chat", "10000", "below 10000"),
        ("chat", "0.0000000000001", "at most 12 decimals"),
    ],
)
def test_what_cannot_be_a_surcharge_is_named(request_type: str, per_request: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        add({request_type: SurchargeTerms(Decimal(per_request))})

    assert not Surcharge.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_racing_writers_leave_one_row_an_instant() -> None:
    def put(number: int) -> None:
        terms = {"smart_inference": SurchargeTerms(Decimal(number + 1))}
        surcharges.put(acme(), surcharges=terms, at=NOW)

    at_once(put, times=6)

    assert Surcharge.objects.count() == 1
