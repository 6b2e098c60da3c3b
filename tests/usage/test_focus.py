"""Charges in the FOCUS format: what version 1.2 of the specification asks of each column, and exact sums."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.support.cast import an_account, an_event
from tests.support.csv_files import rows_of, total
from tests.support.recording import prepare, record
from tests.support.usage_rows import APRIL, MARCH, a_log_row, a_period, a_rollup
from usage import analytics, focus, rollups
from usage.analytics import Dimension, Selection
from usage.events import Tags
from usage.models import Account
from usage.providers import PROVIDERS

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SELLER = "Seller & Sons"


def in_march(account: Account, **only: str) -> Selection:
    picked = {Dimension(name): value for name, value in only.items()}
    return Selection(account=account, start=MARCH, end=APRIL, only=picked)


def charges(account: Account, **only: str) -> list[dict[str, str]]:
    return rows_of(focus.focus_csv(in_march(account, **only), seller=SELLER))


# --- What the specification asks ---------------------------------------------------------------------------


def is_decimal(text: str) -> bool:
    """NumericFormat: digits and a point, no separators, no sign of a currency."""
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) is not None


def is_instant(text: str) -> bool:
    """DateTimeFormat: ISO 8601 in UTC, to the second."""
    return re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", text) is not None


def is_text(text: str) -> bool:
    return bool(text.strip())


def is_unit(text: str) -> bool:
    """UnitFormat: the unit's name, capitalized, in the plural."""
    return re.fullmatch(r"[A-Z][a-z]+s", text) is not None


def is_key_value(text: str) -> bool:
    """KeyValueFormat: a JSON object of texts."""
    found = json.loads(text)
    return isinstance(found, dict) and all(isinstance(value, str) for value in found.values())


def one_of(*allowed: str) -> Callable[[str], bool]:
    return lambda text: text in allowed


@dataclass(frozen=True)
class Asked:
    """A column's content constraints: its level, whether it may be null, what it takes."""

    level: str
    nulls: bool
    takes: Callable[[str], bool]


# FOCUS 1.2, "Content constraints" of each column (specification/columns in
# github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec, v1.2), with the values it allows.
SERVICE_CATEGORIES = (
    "AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases",
    "Developer Tools", "Management and Governance", "Identity", "Integration", "Internet of Things", "Media",
    "Migration", "Mobile", "Multicloud", "Networking", "Security", "Storage", "Web", "Other",
)  # fmt: skip
SPECIFICATION = {
    "BilledCost": Asked("Mandatory", False, is_decimal),
    "BillingAccountId": Asked("Mandatory", False, is_text),
    "BillingAccountName": Asked("Mandatory", True, is_text),
    "BillingCurrency": Asked("Mandatory", False, one_of("USD")),
    "BillingPeriodEnd": Asked("Mandatory", False, is_instant),
    "BillingPeriodStart": Asked("Mandatory", False, is_instant),
    "ChargeCategory": Asked("Mandatory", False, one_of("Usage", "Purchase", "Tax", "Credit", "Adjustment")),
    "ChargeClass": Asked("Mandatory", True, one_of("Correction")),
    "ChargeDescription": Asked("Mandatory", True, is_text),
    "ChargeFrequency": Asked("Recommended", False, one_of("One-Time", "Recurring", "Usage-Based")),
    "ChargePeriodEnd": Asked("Mandatory", False, is_instant),
    "ChargePeriodStart": Asked("Mandatory", False, is_instant),
    "ConsumedQuantity": Asked("Conditional", True, is_decimal),
    "ConsumedUnit": Asked("Conditional", True, is_unit),
    "ContractedCost": Asked("Mandatory", False, is_decimal),
    "EffectiveCost": Asked("Mandatory", False, is_decimal),
    "InvoiceIssuerName": Asked("Mandatory", False, is_text),
    "ListCost": Asked("Mandatory", False, is_decimal),
    "PricingCategory": Asked("Conditional", True, one_of("Standard", "Dynamic", "Committed", "Other")),
    "PricingQuantity": Asked("Mandatory", True, is_decimal),
    "PricingUnit": Asked("Mandatory", True, is_unit),
    "ProviderName": Asked("Mandatory", False, is_text),
    "PublisherName": Asked("Mandatory", False, is_text),
    "ServiceCategory": Asked("Mandatory", False, one_of(*SERVICE_CATEGORIES)),
    "ServiceName": Asked("Mandatory", False, is_text),
    "ServiceSubcategory": Asked("Recommended", False, is_text),
    "SkuId": Asked("Conditional", True, is_text),
    "SkuMeter": Asked("Conditional", True, is_text),
    "SubAccountId": Asked("Conditional", True, is_text),
    "SubAccountName": Asked("Conditional", True, is_text),
    "SubAccountType": Asked("Conditional", True, is_text),
    "Tags": Asked("Conditional", True, is_key_value),
}
# Those that must be there whatever a provider has: 1.2 has 21 of them.
MANDATORY = [name for name, asked in SPECIFICATION.items() if asked.level == "Mandatory"]
SUBCATEGORIES = {
    "AI and Machine Learning": {"Generative AI"},
    "Analytics": {"Search", "Data Processing"},
    "Other": {"Other (Other)"},
}


@pytest.fixture
def acme() -> Account:
    """Usage of every kind: each provider, failed calls, no model, tags and none, a provider of the past."""
    account = an_account("acme", name="Acme Research")
    for number, key in enumerate(PROVIDERS):
        a_rollup(account, provider=key, model=f"m{number}", input_tokens=10**number, cost=f"0.{number + 1}")
    a_rollup(account, provider="gone", model="", images=3, cost="0.000000000000000001")
    a_rollup(account, provider="openai", model="", calls=2, errors=2)
    a_rollup(account, hour=MARCH, team="red", seconds="1.5", cost="2")
    return account


def test_every_mandatory_column_is_there_and_ours_come_last(acme: Account) -> None:
    header = list(charges(acme)[0])
    assert len(MANDATORY) == 21
    assert set(MANDATORY) <= set(header)
    standard = [name for name in header if not name.startswith("x_")]
    own = header[len(standard) :]
    assert standard == sorted(standard) == list(SPECIFICATION)
    assert own == sorted(own)
    assert all(re.fullmatch(r"x_[A-Z][A-Za-z]+", name) for name in own)


@pytest.mark.parametrize("name", SPECIFICATION)
def test_every_value_is_one_that_the_column_takes(acme: Account, name: str) -> None:
    asked = SPECIFICATION[name]
    for charge in charges(acme):
        said = charge[name]
        assert asked.nulls if said == "" else asked.takes(said), (name, said)


def test_what_columns_ask_of_each_other_holds(acme: Account) -> None:
    for charge in charges(acme):
        # Of usage that is no correction neither quantity may be null, and what was consumed is positive.
        assert (charge["ChargeCategory"], charge["ChargeClass"]) == ("Usage", "")
        assert Decimal(charge["ConsumedQuantity"]) > 0
        assert Decimal(charge["PricingQuantity"]) > 0
        assert charge["ConsumedUnit"]
        assert charge["PricingUnit"]
        assert charge["ChargePeriodStart"] < charge["ChargePeriodEnd"]
        assert charge["BillingPeriodStart"] < charge["BillingPeriodEnd"]
        # A SKU comes with what is metered of it, a subcategory has one category, and a sub account's name
        # comes with its id.
        assert bool(charge["SkuId"]) == bool(charge["SkuMeter"])
        assert charge["ServiceSubcategory"] in SUBCATEGORIES[charge["ServiceCategory"]]
        assert (
            bool(charge["SubAccountId"]) == bool(charge["SubAccountName"]) == bool(charge["SubAccountType"])
        )


# --- What it says --------------------------------------------------------------------------------------


def test_a_charge_is_what_one_combination_came_to_on_a_day() -> None:
    prepare()
    tags = Tags(team="red", project="atlas", department="sales")
    told = {"request_type": "chat", "tags": tags, "endpoint": "/v1/chat", "end_user": "u-7"}
    for number in range(2):
        record(an_event(f"e{number}", at=MARCH + number * HOUR, **told), at=MARCH + DAY)

    (charge,) = charges(Account.objects.get())

    # 2 calls × (1000 input + 100 output tokens), 0.0035 USD each.
    assert (
        charge
        | {
            "BilledCost": "0.007",
            "EffectiveCost": "0.007",
            "BillingAccountId": "acme",
            "BillingAccountName": "Acme",
            "ChargeDescription": "2 calls of gpt-4o (OpenAI), chat",
            "ChargePeriodStart": "2026-03-01T00:00:00Z",
            "ChargePeriodEnd": "2026-03-02T00:00:00Z",
            "ConsumedQuantity": "2200",
            "ConsumedUnit": "Tokens",
            "InvoiceIssuerName": SELLER,
            "ProviderName": SELLER,
            "PublisherName": "OpenAI",
            "ServiceName": "OpenAI",
            "SkuId": "openai/gpt-4o",
            "SubAccountId": "red",
            "x_Calls": "2",
            "x_Endpoint": "/v1/chat",
            "x_InputTokens": "2000",
        }
        == charge
    )
    assert json.loads(charge["Tags"]) == {
        "department": "sales",
        "member": "u-7",
        "project": "atlas",
        "team": "red",
    }


def test_failed_calls_that_consumed_nothing_are_counted_as_calls() -> None:
    account = an_account()
    a_rollup(account, calls=3, errors=3)
    (charge,) = charges(account)
    assert (charge["BilledCost"], charge["ConsumedQuantity"], charge["ConsumedUnit"]) == ("0", "3", "Calls")


@pytest.mark.parametrize("is_rolled_up", [False, True])
def test_the_costs_add_up_to_the_totals_exactly(is_rolled_up: bool) -> None:
    prepare()
    account = Account.objects.get()
    for number in range(4):
        at = MARCH + number * DAY / 2
        record(
            an_event(f"e{number}", at=at, end_user=f"u-{number}", input_tokens=7**number), at=MARCH + 3 * DAY
        )
    if is_rolled_up:
        rollups.roll_up(at=MARCH + 3 * DAY, limit=10)

    told = charges(account)

    totals = analytics.totals(in_march(account))
    for column in ("BilledCost", "EffectiveCost", "ContractedCost", "ListCost"):
        assert total(told, column) == totals.cost > 0
    assert total(told, "x_Calls") == totals.calls == 4
    assert total(told, "ConsumedQuantity") == totals.tokens


def test_only_what_is_picked_is_told(acme: Account) -> None:
    assert {charge["SubAccountId"] for charge in charges(acme, team="red")} == {"red"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("day", "period"),
    [
        # Before the account's first period it is the calendar month.
        (9, ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")),
        # The day on which the period begins ends in it.
        (10, ("2026-03-10T12:00:00Z", "2026-03-20T12:00:00Z")),
        (19, ("2026-03-10T12:00:00Z", "2026-03-20T12:00:00Z")),
        (20, ("2026-03-20T12:00:00Z", "2026-04-10T12:00:00Z")),
    ],
)
def test_a_charge_belongs_to_the_billing_period_in_which_its_day_ends(
    day: int, period: tuple[str, str]
) -> None:
    account = an_account()
    a_period(account, start=at("2026-03-10T12:00Z"), end=at("2026-03-20T12:00Z"))
    a_period(account, start=at("2026-03-20T12:00Z"), end=at("2026-04-10T12:00Z"))
    a_rollup(account, hour=MARCH.replace(day=day))

    (charge,) = charges(account)

    assert (charge["BillingPeriodStart"], charge["BillingPeriodEnd"]) == period


def test_names_run_in_no_spreadsheet() -> None:
    a_rollup(an_account(name="=1+1"), team="@team", model="-model")
    (charge,) = charges(Account.objects.get())
    assert charge["BillingAccountName"] == "'=1+1"
    assert charge["SubAccountId"] == "'@team"
    assert charge["x_Model"] == "'-model"


def test_only_the_first_line_without_usage() -> None:
    account = an_account()
    a_log_row(a_period(account))
    (header,) = b"".join(focus.focus_csv(in_march(account), seller=SELLER)).splitlines()
    assert header.decode().split(",") == list(focus.COLUMNS)
