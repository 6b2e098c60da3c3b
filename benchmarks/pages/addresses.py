"""The pages that are measured: one table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What `name` stands for: the address that the URL named `url` and the `query` make, answered with
    `status`. Both may hold facts of the account in braces (`House.facts_of` has which).
    """

    name: str
    url: str
    captured: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    status: int = HTTPStatus.OK

    def address(self, facts: Mapping[str, str]) -> str:
        """Raises NoReverseMatch where there is no such URL."""
        path = reverse(self.url, kwargs=_filled(self.captured, facts))
        return f"{path}?{urlencode(_filled(self.query, facts))}" if self.query else path

    def exists(self, facts: Mapping[str, str]) -> bool:
        """Whether there is such a URL."""
        try:
            self.address(facts)
        except NoReverseMatch:
            return False
        return True


# What the others are compared with: the same frame, the same person, and nothing of an account's usage.
REFERENCE = Page(name="choose an account", url="choose_account")

PAGES = (
    Page(name="overview", url="overview"),
    Page(
        name="overview, nothing new",
        url="overview_now",
        query={"version": "{version}"},
        status=HTTPStatus.NO_CONTENT,
    ),
    Page(name="overview, something new", url="overview_now", query={"version": "0"}),
    Page(name="usage, 30 days by provider", url="usage", query={"last": "30d", "by": "provider"}),
    Page(name="usage, 12 months by model", url="usage", query={"last": "12m", "by": "model"}),
    Page(
        name="usage, 24 hours by model",
        url="usage",
        query={"last": "24h", "interval": "hour", "by": "model"},
    ),
    Page(
        name="usage, 7 days by the hour",
        url="usage",
        query={"last": "7d", "interval": "hour", "by": "endpoint"},
    ),
    Page(
        name="usage, 90 days compared",
        url="usage",
        query={"last": "90d", "by": "member", "compare": "1"},
    ),
    Page(
        name="usage, 90 days of a team",
        url="usage",
        query={"last": "90d", "by": "model", "team": "research"},
    ),
    Page(name="calls", url="calls"),
    Page(name="calls, failed ones", url="calls", query={"status": "failed"}),
    Page(name="calls, a filter that nothing passes", url="calls", query={"team": "nobody"}),
    Page(name="calls, a later page", url="calls", query={"before": "{older}"}),
    Page(name="call", url="call", captured={"place": "{newest}"}),
    Page(name="costs", url="costs"),
    Page(name="costs, patterns", url="cost_patterns"),
    Page(name="billing", url="billing"),
    Page(name="invoice", url="invoice", captured={"number": "{invoice}"}),
    Page(name="plans", url="choose_plan"),
    Page(name="a plan to confirm", url="confirm_plan", captured={"plan_id": "{plan}"}),
    Page(name="alerts", url="alerts"),
    Page(name="alert settings", url="alert_settings"),
    Page(name="alert deliveries", url="alert_deliveries"),
    Page(name="settings", url="settings"),
    Page(name="settings, keys", url="settings_keys"),
    Page(name="settings, budget", url="settings_budget"),
    Page(name="settings, teams", url="settings_teams"),
    Page(name="usage as CSV, first byte", url="usage_csv"),
    Page(name="calls as CSV, first byte", url="calls_csv"),
    Page(name="FOCUS export, first byte", url="usage_focus"),
)


def _filled(values: Mapping[str, str], facts: Mapping[str, str]) -> dict[str, str]:
    return {name: value.format_map(facts) for name, value in values.items()}
