"""The form of a catalog file: plans as TOML, read strictly, every amount exact."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from django.core.exceptions import ValidationError

from subscriptions import entitlements
from subscriptions.models import OveragePolicy, PlanLimit, PlanSurcharge, PlanVersion, SubscriptionPlan
from subscriptions.models.plans import default_thresholds
from usage import limits as usage_limits
from usage.core.errors import InvalidRequest
from usage.core.money import parse_amount
from usage.models import LimitMode, LimitScope, Measure, Window

FOLDER = Path(__file__).resolve().parent / "catalog"
UNLIMITED = "unlimited"
# A whole number, a decimal string, or "unlimited".
Amount = int | str


class CatalogLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One limit; what is left out counts all calls of a billing period, and refuses."""

    name: str
    amount: Amount
    measure: Measure = Measure.CALLS
    scope: LimitScope = LimitScope.EVERYTHING
    value: str = ""
    window: Window = Window.PERIOD
    mode: LimitMode = LimitMode.BLOCK


class CatalogSurcharge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD that calls of a request type cost beside their price."""

    request_type: str
    per_request: str = "0"
    per_hour: str = "0"


class CatalogPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One plan with the terms of its version."""

    key: Annotated[str, msgspec.Meta(pattern=r"^[-a-z0-9]{1,64}$")]
    name: str
    tier: Literal["free", "basic", "pro", "enterprise"]
    position: Annotated[int, msgspec.Meta(ge=0, le=32_000)]
    price_monthly: str
    price_yearly: str
    included_usage: Amount
    limits: list[CatalogLimit]
    default: bool = False
    description: str = ""
    features: list[str] = []
    trial_days: Annotated[int, msgspec.Meta(ge=0, le=730)] = 0
    trial_converts: bool = True
    overage_policy: OveragePolicy = OveragePolicy.BLOCK
    overage_markup_percent: str = "0"
    max_monthly_cost: Amount = UNLIMITED
    alert_thresholds: list[int] = msgspec.field(default_factory=default_thresholds)
    surcharges: list[CatalogSurcharge] = []

    def terms(self) -> dict[str, Any]:
        """The columns of a `PlanVersion`."""
        return {
            "price_monthly": parse_amount(self.price_monthly),
            "price_yearly": parse_amount(self.price_yearly),
            "description": self.description,
            "features": self.features,
            "trial_days": self.trial_days,
            "trial_converts": self.trial_converts,
            "included_usage": _amount(self.included_usage),
            "overage_policy": self.overage_policy,
            "overage_markup_percent": parse_amount(self.overage_markup_percent),
            "max_monthly_cost": _amount(self.max_monthly_cost),
            "alert_thresholds": self.alert_thresholds,
        }

    def limit_columns(self) -> list[dict[str, Any]]:
        """The columns of each `PlanLimit`."""
        return [
            {
                "name": limit.name,
                "measure": limit.measure,
                "scope": limit.scope,
                "scope_value": limit.value,
                "window": limit.window,
                "mode": limit.mode,
                "amount": _amount(limit.amount),
                "position": position,
            }
            for position, limit in enumerate(self.limits)
        ]

    def surcharge_columns(self) -> list[dict[str, Any]]:
        """The columns of each `PlanSurcharge`."""
        return [
            {
                "request_type": each.request_type,
                "per_request": parse_amount(each.per_request),
                "per_hour": parse_amount(each.per_hour),
            }
            for each in self.surcharges
        ]

    def rows(self) -> tuple[PlanVersion, list[PlanLimit], list[PlanSurcharge]]:
        """The version and its parts, not stored."""
        version = PlanVersion(**self.terms())
        limits = [PlanLimit(**columns) for columns in self.limit_columns()]
        return version, limits, [PlanSurcharge(**columns) for columns in self.surcharge_columns()]


class Catalog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file's content."""

    name: str
    plans: list[CatalogPlan]


def names() -> list[str]:
    """The catalogs that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(name: str) -> Catalog:
    """The catalog of that name, or at that path when it ends in .toml.

    Raises InvalidRequest for one that is missing or malformed, saying where.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    try:
        catalog = msgspec.toml.decode(path.read_bytes(), type=Catalog)
        _check(catalog)
    except OSError as missing:
        raise InvalidRequest(
            f"There is no catalog {name!r}: known are {', '.join(names())}, or give a .toml file's path."
        ) from missing
    except (msgspec.MsgspecError, ValueError) as wrong:
        raise InvalidRequest(f"{path.name} cannot be read: {wrong}") from wrong
    return catalog


def _check(catalog: Catalog) -> None:
    """Raise ValueError, naming plan and reason, for what the tables would refuse or store as another."""
    keys = [plan.key for plan in catalog.plans]
    if len(keys) != len(set(keys)):
        raise ValueError("every plan's key must be its own")
    for plan in catalog.plans:
        try:
            _check_plan(plan)
        except ValidationError as wrong:
            fields = (f"{name}: {' '.join(told)}" for name, told in wrong.message_dict.items())
            raise ValueError(f"the plan {plan.key!r}: {'; '.join(fields)}") from wrong
        except InvalidRequest as wrong:
            raise ValueError(f"the plan {plan.key!r}: {wrong.message}") from wrong
        except ValueError as wrong:
            raise ValueError(f"the plan {plan.key!r}: {wrong}") from wrong


def _check_plan(entry: CatalogPlan) -> None:
    version, limits, surcharges = entry.rows()
    SubscriptionPlan(key=entry.key, name=entry.name, tier=entry.tier).clean_fields()
    version.clean_fields(exclude={"plan", "number"})
    for part in (*limits, *surcharges):
        part.clean_fields(exclude={"version"})
    usage_limits.check([entitlements.terms_of(limit) for limit in limits])
    types = [each.request_type for each in surcharges]
    if len(types) != len(set(types)):
        raise ValueError("a request type has one surcharge")
    most, included = version.max_monthly_cost, version.included_usage
    if most is not None and included is not None and most < included:
        raise ValueError("max_monthly_cost must cover included_usage")
    if any("\x00" in text for text in (entry.name, entry.description, *entry.features)):
        raise ValueError("a text cannot hold a NUL character")


def _amount(value: Amount) -> Decimal | None:
    return None if value == UNLIMITED else parse_amount(str(value))
