"""Limits and budgets that will be used up before the billing period ends, if things go on as they do."""

from collections.abc import Iterator
from decimal import Decimal

from alerts import words
from alerts.core.findings import Finding, Severity
from alerts.core.rules import PROJECTED, Rule
from alerts.rules.base import Standing
from usage.core.money import format_amount
from usage.limits import LimitState
from usage.models import LimitMode, LimitScope, Measure, ProjectionMethod, UsageProjection, Window

RULES = (PROJECTED,)


def find(standing: Standing) -> Iterator[tuple[Rule, Finding]]:
    """The limits over all calls of the period that are expected to be exceeded and are not used up yet.

    Only where the projection rests on the account's own weekdays: an average of a few days shouts wolf.
    """
    projection = standing.projection
    if projection is None or projection.method != ProjectionMethod.WEEKDAYS:
        return
    for state in standing.limits:
        expected = _expected(state, projection)
        if expected is not None and state.amount is not None and state.used < state.amount < expected:
            yield PROJECTED, _finding(state, projection, expected)


def _expected(state: LimitState, projection: UsageProjection) -> Decimal | None:
    if (state.window, state.scope) != (Window.PERIOD, LimitScope.EVERYTHING):
        return None
    match state.measure:
        case Measure.COST:
            return max(projection.expected, state.used)
        case Measure.CALLS:
            return Decimal(projection.expected_calls)
        case Measure.TOKENS:
            return Decimal(projection.expected_tokens)
    return None


def _finding(state: LimitState, projection: UsageProjection, expected: Decimal) -> Finding:
    name, amount = words.limit_name(state), state.amount or state.used
    ends = projection.billing_period.period_end
    facts = {
        "limit": name,
        "amount": words.amount_of(state.measure, amount),
        "expected": words.amount_of(state.measure, words.about(state.measure, expected)),
        "resets_at": words.moment(ends),
    }
    if state.measure == Measure.COST and projection.low is not None and projection.high is not None:
        facts |= {"low": words.usd(projection.low), "high": words.usd(projection.high)}
    return Finding(
        subject=f"{state.measure}/{state.window}/{state.mode}/{state.source}",
        occasion=f"{format_amount(amount)}@{state.window_start:%Y-%m-%dT%H:%M:%S}",
        severity=Severity.WARNING if state.mode == LimitMode.BLOCK else Severity.INFO,
        title=f"On the way beyond {name}: {facts['expected']} expected",
        message=f"{_so_far(state, facts)} {_what_follows(state)}",
        period_start=projection.billing_period.period_start,
        period_end=ends,
        facts=facts,
        path="/",
        recheck_at=ends,
    )


def _so_far(state: LimitState, facts: dict[str, str]) -> str:
    used = words.used_of(state.measure, state.used, state.amount or state.used)
    within = f" (between {facts['low']} and {facts['high']})" if "low" in facts else ""
    return (
        f"{used} are used. If things go on as they do, this billing period will come to about "
        f"{facts['expected']}{within} by {facts['resets_at']}."
    )


def _what_follows(state: LimitState) -> str:
    match state.mode:
        case LimitMode.BLOCK:
            return "Calls will be refused once it is used up."
        case LimitMode.BILL:
            return "What goes beyond it will be billed as overage."
    return "Calls will go on."
