"""A version's terms in words and digits, one fact a line: for people to read, and to tell versions apart."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from subscriptions.models import PlanLimit, PlanSurcharge, PlanVersion
from usage.core.money import format_amount
from usage.models import LimitMode, LimitScope, Measure, Window

# By name, in the order people read them.
Facts = Mapping[str, str]

WINDOWS = {
    Window.REQUEST: "in one request",
    Window.CONCURRENT: "at the same time",
    Window.SECOND: "a second",
    Window.MINUTE: "a minute",
    Window.HOUR: "an hour",
    Window.DAY: "a day",
    Window.PERIOD: "a billing period",
}
MODES = {
    LimitMode.BLOCK: "then refused",
    LimitMode.BILL: "then billed as overage",
    LimitMode.NOTIFY: "then people are told",
}


class Difference(NamedTuple):
    """A fact that two versions do not share; empty where one of them has no such fact."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name}: {self.before or 'none'} → {self.after or 'none'}"


def of_version(version: PlanVersion) -> Facts:
    """Everything the version sells."""
    return of_parts(version, version.limits.all(), version.surcharges.all())


def of_parts(version: PlanVersion, limits: Iterable[PlanLimit], surcharges: Iterable[PlanSurcharge]) -> Facts:
    """Everything a version with these parts sells; none of them need be stored."""
    facts = {
        "price a month": f"{format_amount(version.price_monthly)} USD",
        "price a year": f"{format_amount(version.price_yearly)} USD",
        "trial": _trial(version),
        "included usage": _money(version.included_usage, without="all usage"),
        "beyond what is included": _overage(version),
        "alerts at": ", ".join(f"{each} %" for each in version.alert_thresholds) or "none",
        "features": ", ".join(version.features) or "none",
        "description": version.description,
    }
    for limit in limits:
        name, said = _limit_name(limit), limit_sentence(limit)
        # Nothing keeps two limits from having one name, a rate a minute and one an hour for example.
        facts[name] = f"{facts[name]}; {said}" if name in facts else said
    facts |= {f"surcharge {each.request_type}": _surcharge(each) for each in surcharges}
    return facts


def differences(before: Facts, after: Facts) -> list[Difference]:
    """What is not the same, in the order of `after`, then what only `before` had."""
    names = dict.fromkeys([*after, *before])
    return [
        Difference(name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name, "") != after.get(name, "")
    ]


def limit_sentence(limit: PlanLimit) -> str:
    """What a limit allows, such as "5000 calls of gemini a billing period, then refused"."""
    window = WINDOWS[Window(limit.window)]
    if limit.amount is None:
        return f"unlimited {_measured(limit)} {window}"
    if limit.amount == 0 and limit.mode == LimitMode.BLOCK:
        return f"no {_measured(limit)}: not included"
    amount = format_amount(limit.amount)
    return f"{amount} {_measured(limit)} {window}, {MODES[LimitMode(limit.mode)]}"


def _measured(limit: PlanLimit) -> str:
    what = "USD" if limit.measure == Measure.COST else limit.measure
    if limit.scope == LimitScope.EVERYTHING:
        return what
    scope = "" if limit.scope == LimitScope.PROVIDER else f"{limit.scope.replace('_', ' ')} "
    return f"{what} of {scope}{limit.scope_value}"


def _limit_name(limit: PlanLimit) -> str:
    return f"limit {limit.name}" if limit.mode == LimitMode.BLOCK else f"limit {limit.name} ({limit.mode})"


def _money(amount: Decimal | None, *, without: str) -> str:
    return without if amount is None else f"{format_amount(amount)} USD"


def _trial(version: PlanVersion) -> str:
    if not version.trial_days:
        return "none"
    return f"{version.trial_days} days, then {'paid' if version.trial_converts else 'it expires'}"


def _overage(version: PlanVersion) -> str:
    match version.overage_policy:
        case "bill":
            most = _money(version.max_monthly_cost, without="any amount")
            return f"billed with {format_amount(version.overage_markup_percent)} % markup, up to {most}"
        case "pause":
            return "paused until the next period"
    return "refused"


def _surcharge(surcharge: PlanSurcharge) -> str:
    parts = [
        f"{format_amount(amount)} USD {unit}"
        for amount, unit in ((surcharge.per_request, "a request"), (surcharge.per_hour, "an hour"))
        if amount
    ]
    return " and ".join(parts) or "none"
