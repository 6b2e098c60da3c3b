"""Loading catalogs: what is made, what follows the file, what stays as staff edited it, what is refused."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from django.core.management import CommandError, call_command

from subscriptions import catalog_file, catalog_loading, plans
from subscriptions.catalog_file import Catalog
from subscriptions.catalog_loading import LoadReport
from subscriptions.models import PlanVersion, SubscriptionPlan
from tests.support.cast import NOW
from tests.support.subscribing import LONG_AGO, TESTS, a_plan, a_version, load_catalog, the_plan
from usage.core.errors import InvalidRequest

pytestmark = pytest.mark.django_db

FREE_TO_ENTERPRISE = ["free", "basic", "pro", "enterprise"]
A_PLAN = """
[[plans]]
key = "solo"
name = "Solo"
tier = "basic"
position = 1
price_monthly = "9"
price_yearly = "90"
included_usage = "10"
limits = [{ name = "calls", amount = 100 }]
"""


def load(catalog: Catalog | None = None, **options: object) -> LoadReport:
    return catalog_loading.load(catalog or catalog_file.read("default"), at=NOW, **options)  # type: ignore[arg-type]


def dearer(price: str = "35") -> Catalog:
    """The default catalog, with another price of Basic."""
    catalog = catalog_file.read("default")
    changed = [
        msgspec.structs.replace(plan, price_monthly=price) if plan.key == "basic" else plan
        for plan in catalog.plans
    ]
    return msgspec.structs.replace(catalog, plans=changed)


def a_file(folder: Path, content: str) -> str:
    path = folder / "own.toml"
    path.write_text(f'name = "own"\n{content}', encoding="utf-8")
    return str(path)


def told(differences: dict[str, list[catalog_loading.facts.Difference]]) -> dict[str, list[str]]:
    return {key: [str(each) for each in found] for key, found in differences.items()}


def everything() -> list[object]:
    """All that is known of plans."""
    return [*SubscriptionPlan.objects.order_by("pk").values(), *PlanVersion.objects.order_by("pk").values()]


# --- Once and again --------------------------------------------------------------------------------------


def test_missing_plans_are_made_and_sold_to_everybody() -> None:
    report = load()

    assert report == LoadReport(added=FREE_TO_ENTERPRISE)
    assert list(SubscriptionPlan.objects.values_list("key", "visibility")) == [
        (key, "public") for key in FREE_TO_ENTERPRISE
    ]
    assert plans.version_at(the_plan("basic"), at=NOW).source == "catalog"


@pytest.mark.parametrize("name", ["default", "gateway"])
def test_loading_again_changes_nothing(name: str) -> None:
    catalog = catalog_file.read(name)
    load(catalog)
    before = everything()

    report = load(catalog)

    assert report == LoadReport(unchanged=[plan.key for plan in catalog.plans])
    assert everything() == before


def test_a_plan_nobody_edited_follows_the_file_with_a_new_version() -> None:
    load_catalog()

    report = load(dearer())

    assert told(report.changed) == {"basic": ["price a month: 29 USD → 35 USD"]}
    assert list(the_plan("basic").versions.values_list("number", "price_monthly", "source")) == [
        (2, 35, "catalog"),
        (1, 29, "catalog"),
    ]
    assert plans.version_at(the_plan("basic"), at=NOW - timedelta(days=1)).number == 1


def test_limits_and_surcharges_follow_the_file_too() -> None:
    catalog = catalog_file.read("gateway")
    load(catalog)
    starter = catalog.plans[1]
    (rate, *others) = [limit for limit in starter.limits if limit.name != "cost_per_request"]
    changed = msgspec.structs.replace(
        starter,
        limits=[msgspec.structs.replace(rate, amount=31), *others],
        surcharges=starter.surcharges[1:],
    )

    report = load(msgspec.structs.replace(catalog, plans=[changed]))

    assert told(report.changed) == {
        "gateway-starter": [
            "limit requests_per_minute: 30 calls a minute, then refused → 31 calls a minute, then refused",
            "limit cost_per_request: 0.02 USD in one request, then refused → none",
            "surcharge smart_inference: 0.005 USD a request → none",
        ]
    }
    assert load(msgspec.structs.replace(catalog, plans=[changed])).unchanged == ["gateway-starter"]


# --- What staff edited -----------------------------------------------------------------------------------


def test_a_version_by_staff_is_kept_and_how_it_differs_is_told() -> None:
    load_catalog()
    a_version(the_plan("basic"), price="31", included_usage=Decimal(25))

    report = load()

    assert "price a month: 31 USD → 29 USD" in told(report.kept)["basic"]
    assert report.unchanged == ["free", "pro", "enterprise"]
    assert plans.version_at(the_plan("basic"), at=NOW).price_monthly == 31


def test_a_draft_that_says_something_else_is_kept_and_nothing_is_published_over_it() -> None:
    load_catalog()
    draft = plans.draft_of(the_plan("basic"), by=TESTS, at=NOW)
    PlanVersion.objects.filter(pk=draft.pk).update(price_monthly=33)

    report = load(dearer())

    assert told(report.kept) == {"basic": ["price a month: 33 USD → 35 USD"]}
    assert the_plan("basic").versions.filter(published_at__isnull=False).get().price_monthly == 29


def test_what_was_kept_follows_again_once_the_draft_is_gone() -> None:
    load_catalog()
    draft = plans.draft_of(the_plan("basic"), by=TESTS, at=NOW)
    assert list(load(dearer()).kept) == ["basic"]

    plans.discard(draft)

    assert list(load(dearer()).changed) == ["basic"]


def test_a_staffs_version_that_says_the_same_is_no_difference() -> None:
    load_catalog()
    plans.publish(plans.draft_of(the_plan("basic"), by=TESTS, at=NOW), by=TESTS, at=NOW)

    assert load().unchanged == FREE_TO_ENTERPRISE


def test_a_retired_plan_stays_retired() -> None:
    load_catalog()
    plans.retire(the_plan("pro"), at=NOW)

    load()

    assert the_plan("pro").retired_at == NOW


def test_the_default_flag_is_not_stolen() -> None:
    SubscriptionPlan.objects.filter(pk=a_plan("own").pk).update(is_default=True)

    load()

    assert list(SubscriptionPlan.objects.filter(is_default=True).values_list("key", flat=True)) == ["own"]


def test_the_first_catalogs_default_is_the_one() -> None:
    load_catalog("gateway")
    load_catalog("default")

    defaults = SubscriptionPlan.objects.filter(is_default=True).values_list("key", flat=True)
    assert list(defaults) == ["gateway-community"]


def test_a_flag_that_staff_took_away_is_not_set_again() -> None:
    load_catalog()
    SubscriptionPlan.objects.update(is_default=False)

    load()

    assert not SubscriptionPlan.objects.filter(is_default=True).exists()


# --- Looking first -----------------------------------------------------------------------------------------


def test_a_dry_run_tells_the_same_and_changes_nothing() -> None:
    load_catalog()
    a_version(the_plan("pro"), price="80")
    before = everything()

    planned = load(dearer(), dry_run=True)

    assert everything() == before
    assert load(dearer()) == planned


def test_the_command_says_what_it_would_do() -> None:
    out = StringIO()

    call_command("load_catalog", "default", "--dry-run", stdout=out)

    assert "+ basic: would be added" in out.getvalue()
    assert "Catalog default: 4 would be added, 0 would be changed, 0 unchanged, 0 kept." in out.getvalue()
    assert not SubscriptionPlan.objects.exists()


def test_the_command_shows_how_a_kept_plan_differs() -> None:
    load_catalog()
    a_version(the_plan("free"), price="1", included_usage=Decimal(2))
    out = StringIO()

    call_command("load_catalog", "default", stdout=out)

    assert "= free: kept as staff edited it; the catalog says" in out.getvalue()
    assert "    price a month: 1 USD → 0 USD" in out.getvalue()


# --- What cannot be loaded ---------------------------------------------------------------------------------


def test_a_file_of_ones_own_is_read_like_the_others(tmp_path: Path) -> None:
    assert load(catalog_file.read(a_file(tmp_path, A_PLAN))).added == ["solo"]
    assert the_plan("solo").versions.get().limits.get().amount == 100


@pytest.mark.parametrize("name", ["nothing", "nothing.toml", "../default"])
def test_a_catalog_that_is_not_there_is_told_with_those_that_are(name: str) -> None:
    with pytest.raises(CommandError, match=r"There is no catalog .* known are default, gateway"):
        call_command("load_catalog", name)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('name = "Solo"', "name = ", "Invalid"),
        ('tier = "basic"', 'tier = "gold"', "Invalid enum value 'gold'"),
        ("position = 1", "", "missing required field `position`"),
        ("position = 1", "position = -1", "Expected `int` >= 0"),
        ("position = 1", "position = 1\ncolour = 1", "unknown field `colour`"),
        ('key = "solo"', 'key = "Solo Plan"', r"matching regex .* `\$.plans\[0\].key`"),
        ('name = "Solo"', f'name = "{"x" * 101}"', "the plan 'solo': name: .* at most 100 characters"),
        ('name = "Solo"', 'name = "a\\u0000b"', "the plan 'solo': a text cannot hold a NUL"),
        ('price_monthly = "9"', "price_monthly = 9.5", "Expected `str`, got `float`"),
        ('price_monthly = "9"', 'price_monthly = "-9"', "the plan 'solo': '-9' is negative"),
        ('price_monthly = "9"', 'price_monthly = "nine"', "the plan 'solo': 'nine' is not a decimal"),
        ('price_monthly = "9"', 'price_monthly = "9.005"', "price_monthly: .* 2 decimal places"),
        ('included_usage = "10"', 'included_usage = "some"', "'some' is not a decimal"),
        ("position = 1", f'position = 1\nfeatures = ["{"x" * 101}"]', "features: .* at most 100"),
        ("position = 1", "position = 1\nalert_thresholds = [40000]", "alert_thresholds: "),
        ("position = 1", 'position = 1\nmax_monthly_cost = "9"', "max_monthly_cost must cover included"),
        ("amount = 100", "amount = -1", "'-1' is negative"),
        ("amount = 100", 'amount = 1, window = "fortnight"', "Invalid enum value 'fortnight'"),
        ("amount = 100", 'amount = 1, scope = "provider", value = "acme"', "'acme' is not metered here"),
        ("amount = 100 }", 'amount = 1 }, { name = "more", amount = 2 }', "another limit counts the same"),
    ],
)
def test_a_malformed_file_is_named_with_the_reason(tmp_path: Path, old: str, new: str, reason: str) -> None:
    assert old in A_PLAN

    with pytest.raises(InvalidRequest, match=f"own.toml cannot be read: .*{reason}"):
        catalog_file.read(a_file(tmp_path, A_PLAN.replace(old, new)))


@pytest.mark.parametrize(
    ("added", "reason"),
    [
        (A_PLAN, "every plan's key must be its own"),
        ('surcharges = [{ request_type = "a" }, { request_type = "a" }]', "a request type has one surcharge"),
        ('surcharges = [{ request_type = "a", per_hour = "0.0000000000001" }]', "12 decimal places"),
    ],
)
def test_what_would_not_be_stored_as_it_stands_is_refused(tmp_path: Path, added: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        catalog_file.read(a_file(tmp_path, A_PLAN + added))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("amount = 100", 'amount = 1, measure = "cost"', "what a period may cost is said by included_usage"),
        ("position = 1", "position = 1\nalert_thresholds = [80, 50]", "ascending percentages"),
        ('"10"', '"unlimited"\noverage_policy = "bill"', "without an amount nothing is beyond it"),
    ],
)
def test_what_cannot_be_sold_is_refused_and_nothing_of_the_file_is_loaded(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    second = A_PLAN.replace("solo", "second").replace(old, new)

    with pytest.raises(CommandError, match=reason):
        call_command("load_catalog", a_file(tmp_path, A_PLAN + second))

    assert not SubscriptionPlan.objects.exists()


def test_an_amount_stays_exact_and_unlimited_is_none(tmp_path: Path) -> None:
    exact = A_PLAN.replace('"10"', '"10.000000000000000001"').replace("amount = 100", 'amount = "unlimited"')

    load_catalog(a_file(tmp_path, exact))

    version = plans.version_at(the_plan("solo"), at=LONG_AGO)
    assert version.included_usage == Decimal("10.000000000000000001")
    assert version.limits.get().amount is None
