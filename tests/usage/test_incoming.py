"""One event made into a row: what it consumed, what it cost, or which of its fields is wrong."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.support.cast import NOW, an_event
from tests.support.ledger import assert_nothing_recorded
from tests.support.prices import an_entry, load
from tests.support.recording import prepare, record, the_row
from usage import pricebook
from usage.events import ReportedCost, Tags, Units, UsageEvent
from usage.models import UsageSummary

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _world() -> None:
    prepare()


@pytest.mark.parametrize(
    "text",
    [
        "a\tb",
        "line\nbreak",
        "back\\slash",
        "\\N",
        "\\.",
        "carriage\rreturn",
        "naïve 日本 🎉",
        "'; DROP TABLE --",
        "\x1b[31m",
    ],
)
def test_text_is_kept_to_the_letter(text: str) -> None:
    record(an_event(text, error_message=text, tags=Tags(team=text)))
    row = the_row()

    assert (row.event_id, row.error_message, row.team) == (text, text, text)


@pytest.mark.parametrize(
    ("event", "code", "pointer"),
    [
        (an_event(provider="azure", input_tokens=1), "provider_unknown", "/data/gen_ai.provider.name"),
        (an_event(model="gpt-99"), "price_unknown", "/data/gen_ai.request.model"),
        (an_event(model="gpt-98", response_model="gpt-99"), "price_unknown", "/data/gen_ai.response.model"),
        (an_event(subject="nobody"), "subject_unknown", "/subject"),
        (an_event(subject=""), "subject_unknown", "/subject"),
        (an_event(input_tokens=None, output_tokens=None), "quantities_missing", "/data"),
        (an_event(provider="stability", model=""), "quantities_missing", "/data"),
        (an_event(provider="stability", model="", input_tokens=500), "quantities_unpriced", "/data"),
        (
            an_event(input_tokens=None, output_tokens=None, units=Units(requests=1)),
            "quantities_unpriced",
            "/data",
        ),
        (
            an_event(input_tokens=None, output_tokens=None, units=Units(images=5)),
            "quantities_unpriced",
            "/data",
        ),
        (
            an_event(input_tokens=10, cached_input_tokens=11),
            "quantities_impossible",
            "/data/gen_ai.usage.cache_read.input_tokens",
        ),
        (an_event(input_tokens=-1), "quantities_impossible", "/data/gen_ai.usage.input_tokens"),
        (an_event(units=Units(pages=-1)), "quantities_impossible", "/data/units/pages"),
        (an_event(cost=ReportedCost(source="provider")), "cost_missing", "/data/cost/amount"),
        (an_event(cost=ReportedCost(source="local", amount="1")), "cost_contradictory", "/data/cost/amount"),
        (an_event(error_message="\x00"), "text_invalid", "/data/error_message"),
        (an_event("a\x00b"), "text_invalid", "/id"),
        (an_event(at=NOW + timedelta(minutes=5, microseconds=1)), "time_in_future", "/time"),
        (an_event(at=datetime(2014, 12, 31, tzinfo=UTC)), "time_too_old", "/time"),
    ],
)
def test_an_event_that_cannot_be_recorded_says_which_field_is_wrong(
    event: UsageEvent, code: str, pointer: str
) -> None:
    [outcome] = record(event)

    assert (outcome.outcome, outcome.code, outcome.pointer) == ("rejected", code, pointer)
    assert outcome.message
    assert_nothing_recorded()


@pytest.mark.parametrize(
    ("event", "cost", "requests"),
    [
        (an_event(provider="tavily", model=""), "0.001", 1),
        (an_event(provider="tavily", model="", units=Units(searches=2)), "0.002", 1),
        (an_event(provider="tavily", model="", units=Units(requests=3)), "0.003", 3),
        (an_event(input_tokens=0, output_tokens=0), "0", 1),
        (an_event(provider="firecrawl", model="scrape"), "0.002", 1),
        (an_event(provider="stability", model="sd3", units=Units(images=3)), "0.12", 1),
        (an_event(units=Units(requests=4)), "0.0035", 4),
        (an_event(status_code=500, input_tokens=None, output_tokens=None), "0", 0),
        (an_event(status_code=404, model="gpt-99", input_tokens=None, output_tokens=None), "0", 0),
        (an_event(status_code=500, input_tokens=1_000, output_tokens=0), "0.0025", 0),
    ],
)
def test_what_a_call_consumed_is_what_it_said_or_its_providers_one_unit(
    event: UsageEvent, cost: str, requests: int
) -> None:
    [outcome] = record(event)

    assert outcome.cost == cost
    assert (the_row().requests or 0) == requests


@pytest.mark.parametrize(
    ("reported", "model", "cost", "source", "priced"),
    [
        (ReportedCost(source="provider", amount="0.0123456789"), "gpt-4o", "0.0123456789", "provider", False),
        (ReportedCost(source="provider", amount="1"), "gpt-99", "1", "provider", False),
        (ReportedCost(source="estimated", amount="0.5"), "gpt-4o", "0.5", "estimated", False),
        (ReportedCost(source="estimated"), "gpt-4o", "0.0035", "estimated", True),
        (ReportedCost(source="local"), "gpt-4o", "0.0035", "local", True),
        (None, "gpt-4o", "0.0035", "local", True),
    ],
)
def test_a_reported_cost_goes_before_the_book_and_is_marked(
    reported: ReportedCost | None, model: str, cost: str, source: str, priced: bool
) -> None:
    [outcome] = record(an_event(model=model, cost=reported))
    row = the_row()

    assert (outcome.cost, row.cost_source, row.price is not None) == (cost, source, priced)


def test_costs_are_stored_to_the_last_of_eighteen_decimals() -> None:
    record(an_event(cost=ReportedCost(source="provider", amount="0.000000000000000001")))

    assert the_row().cost == UsageSummary.objects.get().cost == Decimal("0.000000000000000001")


def test_batch_requests_pay_batch_prices() -> None:
    pricebook.add(
        by=None, at=NOW, provider="openai", model_name="m", effective_from=NOW,
        cost_per_input_token=Decimal("0.000002"), batch={"input": "0.000001"},
    )  # fmt: skip
    standard, batch = record(
        an_event("1", model="m", output_tokens=0),
        an_event("2", model="m", output_tokens=0, request_type="batch"),
    )

    assert (standard.cost, batch.cost) == ("0.002", "0.001")


def test_an_answer_under_a_name_nobody_sells_is_rated_as_what_was_asked_for() -> None:
    # 1000 × 2.50 + 100 × 10 USD a million: gpt-4o, whatever its router calls it.
    (outcome,) = record(an_event(model="gpt-4o", response_model="router/unheard-of"))

    assert outcome.cost == "0.0035"
    assert (the_row().model, the_row().model_used) == ("gpt-4o", "router/unheard-of")


def test_a_call_is_logged_under_the_model_it_was_asked_for_at_the_price_of_the_one_that_answered() -> None:
    load(an_entry(model="latest", input="1", output="1"))

    (outcome,) = record(an_event(model="latest", response_model="gpt-4o"))

    assert outcome.cost == "0.0035"
    assert (the_row().model, the_row().model_used) == ("latest", "gpt-4o")
