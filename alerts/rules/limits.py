"""Limits and budgets that are used up to a threshold.

Thresholds count what is used; what is only held may be given back. A limit that refuses calls is always told
of when it is reached, whatever thresholds were chosen.
"""

from collections.abc import Iterator
from datetime import timedelta

from alerts import words
from alerts.core.findings import Finding, Recovery, Severity
from alerts.core.rules import BUDGET, LIMIT, Rule
from alerts.core.thresholds import REACHED, crossed, severity_of
from alerts.rules.base import Standing
from usage.core.money import format_amount
from usage.limits import LimitState
from usage.models import LimitMode, LimitScope, LimitSource, Measure, Window

RULES = (LIMIT, BUDGET)
# Over these a limit is something to use up; over shorter ones it is a rate, and an hour's spend is told of
# only when it is reached.
QUOTA_WINDOWS = (Window.DAY, Window.PERIOD)
AFTER_ITS_END = timedelta(seconds=1)
# Where limits are shown with what is used of them, and where what the account spends is.
USAGE_PATH, SPEND_PATH = "/", "/billing/"


def find(standing: Standing) -> Iterator[tuple[Rule, Finding]]:
    """The thresholds that the account's limits have reached, limit by limit, ascending."""
    for state in standing.limits:
        rule = BUDGET if state.source == LimitSource.BUDGET else LIMIT
        for threshold in _reached(state, standing):
            yield rule, _finding(state, threshold)


def _reached(state: LimitState, standing: Standing) -> list[int]:
    if not state.amount or not state.used:
        return []
    if state.window == Window.HOUR and state.measure == Measure.COST:
        return crossed(state.used, state.amount, [REACHED])
    # Rates that are slowed down for a budget are limits of its as well.
    is_rate = state.source == LimitSource.BUDGET and state.measure != Measure.COST
    if state.window not in QUOTA_WINDOWS or is_rate:
        return []
    chosen = standing.budget_thresholds if state.source == LimitSource.BUDGET else standing.limit_thresholds
    always = [REACHED] if state.mode == LimitMode.BLOCK or not chosen else []
    return crossed(state.used, state.amount, [*chosen, *always])


def _finding(state: LimitState, threshold: int) -> Finding:
    amount = state.amount or state.used
    name = words.limit_name(state)
    is_full = threshold >= REACHED
    return Finding(
        subject=f"{state.measure}/{state.scope}/{state.scope_value}/{state.window}/{state.mode}",
        occasion=f"{format_amount(amount)}@{state.window_start:%Y-%m-%dT%H:%M:%S}",
        threshold=threshold,
        severity=_severity(state, threshold),
        title=_title(state, threshold, name),
        message=f"{_so_far(state, name)} {_what_follows(state, is_full=is_full)}".strip(),
        provider=state.scope_value if state.scope == LimitScope.PROVIDER else "",
        period_start=state.window_start,
        period_end=state.resets_at,
        facts=_facts(state, name),
        path=SPEND_PATH if state.source == LimitSource.BUDGET else USAGE_PATH,
        recheck_at=None if state.resets_at is None else state.resets_at + AFTER_ITS_END,
        recovery=_recovery(name) if is_full and state.mode == LimitMode.BLOCK else None,
    )


def _severity(state: LimitState, threshold: int) -> Severity:
    severity = severity_of(threshold)
    refuses = state.mode == LimitMode.BLOCK
    return severity if refuses or severity is not Severity.ERROR else Severity.WARNING


def _title(state: LimitState, threshold: int, name: str) -> str:
    if threshold == REACHED and state.mode == LimitMode.BLOCK:
        return f"{name[0].upper()}{name[1:]}: the limit is reached"
    return f"{threshold} % of {name} used"


def _so_far(state: LimitState, name: str) -> str:
    when = words.WINDOWS[Window(state.window)]
    amount = state.amount or state.used
    return f"{words.used_of(state.measure, state.used, amount)} are used {when} ({name})."


def _what_follows(state: LimitState, *, is_full: bool) -> str:
    until = "" if state.resets_at is None else f" until {words.moment(state.resets_at)}"
    match state.mode:
        case LimitMode.BLOCK if is_full:
            return f"Calls that count towards it are refused{until}, or until the limit is raised."
        case LimitMode.BLOCK:
            return f"Once it is used up, calls are refused{until}."
        case LimitMode.BILL if is_full:
            return "Calls go on; what is used from here on is billed as overage."
        case LimitMode.BILL:
            return "Beyond it calls go on and are billed as overage."
    return "Calls go on."


def _facts(state: LimitState, name: str) -> dict[str, str]:
    amount = state.amount or state.used
    remaining = state.remaining
    facts = {
        "limit": name,
        "limit_name": state.name,
        "measure": state.measure,
        "source": state.source,
        "mode": state.mode,
        "used": words.amount_of(state.measure, state.used),
        "amount": words.amount_of(state.measure, amount),
        "percent": words.percent(100 * state.used / amount),
    }
    if remaining is not None:
        facts["remaining"] = words.amount_of(state.measure, remaining)
    if state.resets_at is not None:
        facts["resets_at"] = words.moment(state.resets_at)
    return facts


def _recovery(name: str) -> Recovery:
    return Recovery(
        title=f"{name[0].upper()}{name[1:]}: calls go through again",
        message="The limit that was reached has room again.",
    )
