"""Days on which an account spends far more than its own history lets expect."""

from collections.abc import Iterator
from datetime import UTC

from alerts import words
from alerts.core.findings import Finding, Severity
from alerts.core.rules import ANOMALY, Rule
from alerts.rules.base import Standing
from usage.core.money import ZERO

RULES = (ANOMALY,)


def find(standing: Standing) -> Iterator[tuple[Rule, Finding]]:
    """Today, if it was found to be unusual when the account was projected last."""
    projection, today = standing.projection, standing.at.astimezone(UTC).date()
    if projection is None or projection.unusual_on != today:
        return
    spent, usual = projection.unusual_spent or ZERO, projection.unusual_expected or ZERO
    facts = {"today": words.usd(spent), "usual": words.usd(usual)}
    if usual:
        facts["factor"] = f"{words.number((spent / usual).quantize(words.TENTH))} times"
    more = f", {facts['factor']} as much as usual" if "factor" in facts else ""
    yield (
        ANOMALY,
        Finding(
            subject="spend",
            occasion=f"{today:%Y-%m-%d}",
            severity=Severity.WARNING,
            title=f"Unusual spend today: {facts['today']}",
            message=(
                f"Today has cost {facts['today']} so far{more}; on a day like this {facts['usual']} are "
                "usual. The usage page shows what for."
            ),
            period_start=projection.billing_period.period_start,
            period_end=projection.billing_period.period_end,
            facts=facts,
            path="/",
        ),
    )
