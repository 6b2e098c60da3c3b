"""Loading a catalog: missing plans are made, those nobody edited follow the file, the rest is told."""

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from subscriptions import facts, plans
from subscriptions.actors import SYSTEM
from subscriptions.catalog_file import Catalog, CatalogPlan
from subscriptions.models import PlanVersion, SubscriptionPlan, VersionSource, Visibility


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of the catalog's plans, by key; `changed` and `kept` with how file and plan differ."""

    added: list[str] = field(default_factory=list)
    changed: dict[str, list[facts.Difference]] = field(default_factory=dict)
    kept: dict[str, list[facts.Difference]] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)


def load(catalog: Catalog, *, at: datetime, dry_run: bool = False) -> LoadReport:
    """Bring the plans up to the catalog. A plan that staff edited, or are editing, stays as it is.

    A plan whose newest version came from the catalog and differs from it gets another version. Running it
    again changes nothing. Raises InvalidRequest naming a plan's term that cannot be sold.
    """
    report = LoadReport()
    with transaction.atomic():
        for entry in catalog.plans:
            _load_plan(entry, report, at=at)
        transaction.set_rollback(dry_run)
    return report


def _load_plan(entry: CatalogPlan, report: LoadReport, *, at: datetime) -> None:
    plan = SubscriptionPlan.objects.select_for_update().filter(key=entry.key).first()
    if plan is None:
        _write(_new_plan(entry, at=at), entry, at=at)
        report.added.append(entry.key)
        return
    newest = plan.versions.order_by("-number").first()
    found = _compare(newest, entry)
    if not found:
        report.unchanged.append(entry.key)
    elif newest is not None and newest.source == VersionSource.STAFF:
        report.kept[entry.key] = found
    else:
        _write(plan, entry, at=at)
        report.changed[entry.key] = found


def _compare(version: PlanVersion | None, entry: CatalogPlan) -> list[facts.Difference]:
    return facts.differences(
        {} if version is None else facts.of_version(version), facts.of_parts(*entry.rows())
    )


def _new_plan(entry: CatalogPlan, *, at: datetime) -> SubscriptionPlan:
    taken = SubscriptionPlan.objects.filter(is_default=True).exists()
    return SubscriptionPlan.objects.create(
        key=entry.key,
        name=entry.name,
        tier=entry.tier,
        visibility=Visibility.PUBLIC,
        position=entry.position,
        is_default=entry.default and not taken,
        created_at=at,
    )


def _write(plan: SubscriptionPlan, entry: CatalogPlan, *, at: datetime) -> None:
    plans.write_version(
        plan,
        terms=entry.terms(),
        limits=entry.limit_columns(),
        surcharges=entry.surcharge_columns(),
        source=VersionSource.CATALOG,
        by=SYSTEM,
        at=at,
    )
