"""How an account stands now, for the top of its admin page: tables of what others have worked out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html

from usage import limits, queries
from usage.admin.log import log_of
from usage.core.money import COST_PLACES, format_amount
from usage.limits import Key, LimitState
from usage.models import (
    Account,
    BillingPeriod,
    LimitMode,
    LimitScope,
    LimitSource,
    Measure,
    UsageLimit,
    Window,
)
from usage.providers import name_of
from usage.queries import Totals

USAGE_HEADERS = ["provider", "calls", "failed", "input tokens", "output tokens", "cost (USD)"]
LIMIT_HEADERS = [
    "limit", "of", "in", "set by", "beyond it", "amount", "used", "held", "remaining", "resets (UTC)",
]  # fmt: skip
SHOWN_PLACES = Decimal("0.000001")
LINK = '<a href="{}" class="{}">{}</a>'
LINK_CLASSES = "font-medium text-primary-600 dark:text-primary-500"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the page shows; `period` is None while none is open, the tables are as unfold draws them."""

    period: BillingPeriod | None
    usage: Mapping[str, Any]
    limits: Mapping[str, Any]
    log_url: str
    authorizations_url: str


def of(account: Account, *, at: datetime) -> Standing:
    """The account's usage of the billing period open at `at`, and its limits as they stand then."""
    period = queries.period_at(account, at=at)
    spent = {} if period is None else queries.period_by_provider(account, period=period)
    authorizations = reverse("admin:usage_authorization_changelist")
    return Standing(
        period=period,
        usage={"headers": USAGE_HEADERS, "rows": _usage_rows(spent)},
        limits={"headers": LIMIT_HEADERS, "rows": _limit_rows(account, at=at)},
        log_url=log_of(account),
        authorizations_url=f"{authorizations}?{urlencode({'account__id__exact': account.pk})}",
    )


def _usage_rows(spent: Mapping[str, Totals]) -> list[list[str]]:
    rows = [_usage_row(name_of(provider), totals) for provider, totals in spent.items()]
    if len(spent) > 1:
        rows.append(_usage_row("all together", queries.sum_of(spent.values())))
    return rows


def _usage_row(name: str, totals: Totals) -> list[str]:
    counted = (totals.calls, totals.errors, totals.input_tokens, totals.output_tokens)
    return [name, *(f"{count:,}" for count in counted), format_amount(totals.cost)]


def _limit_rows(account: Account, *, at: datetime) -> list[list[str]]:
    pages = _pages(UsageLimit.objects.filter(account=account))
    return [_limit_row(state, pages) for state in limits.states(account, at=at)]


def _pages(stored: Iterable[UsageLimit]) -> dict[tuple[str, Key], str]:
    """The page of each limit, by who set it and what it is of."""
    return {
        (limit.source, limits.key_of(limit)): reverse("admin:usage_usagelimit_change", args=[limit.pk])
        for limit in stored
    }


def _limit_row(state: LimitState, pages: Mapping[tuple[str, Key], str]) -> list[str]:
    page = pages.get((state.source, limits.key_of(state)))
    scope = state.scope_value or LimitScope(state.scope).label.lower()
    name = state.name if page is None else format_html(LINK, page, LINK_CLASSES, state.name)
    return [
        name,
        f"{Measure(state.measure).label}, {scope}",
        Window(state.window).label.lower(),
        LimitSource(state.source).label,
        LimitMode(state.mode).label,
        _amount(state.amount),
        _amount(_shortened(state.used)),
        _amount(state.held),
        _amount(None if state.remaining is None else _shortened(state.remaining)),
        "" if state.resets_at is None else f"{state.resets_at:%Y-%m-%d %H:%M:%S}",
    ]


def _shortened(amount: Decimal) -> Decimal:
    """A share of the window before is a fraction without end, which nobody reads."""
    places = amount.as_tuple().exponent
    return amount if isinstance(places, int) and places >= -COST_PLACES else amount.quantize(SHOWN_PLACES)


def _amount(amount: Decimal | None) -> str:
    return "unlimited" if amount is None else format_amount(amount)
