"""What people can be told of: one entry a rule, with whom it is for and what it is called.

The findings of a rule come from `alerts.rules`; what is kept of them says the rule by its key.
"""

from dataclasses import dataclass
from enum import StrEnum


class Audience(StrEnum):
    """Whom a rule's alerts are for: the account they are about, or our own staff."""

    CUSTOMER = "customer"
    STAFF = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`is_lasting`: what it finds is a state that ends, not something that happened at a moment.

    `meaning` completes "You are told when …", for people who choose what to be told of.
    """

    key: str
    name: str
    meaning: str
    audience: Audience = Audience.CUSTOMER
    is_lasting: bool = True


LIMIT = Rule(
    key="limit_threshold",
    name="Usage limits",
    meaning="a limit of your plan is used up to one of your thresholds, and when it has room again",
)
BUDGET = Rule(
    key="budget_threshold",
    name="Budgets",
    meaning="a budget you have set is used up to one of its thresholds, and when it has room again",
)
PROJECTED = Rule(
    key="projected_to_exceed",
    name="Projection",
    meaning="your spend is on the way beyond a limit or budget before the billing period ends",
)
ANOMALY = Rule(
    key="spend_anomaly",
    name="Unusual spend",
    meaning="today's spend is far from what your own history lets expect",
    is_lasting=False,
)
PROVIDER_ERRORS = Rule(
    key="provider_errors",
    name="Provider errors",
    meaning="many of your calls to a provider fail, and when they work again",
)
PAYMENT_FAILED = Rule(
    key="payment_failed",
    name="Failed payments",
    meaning="an invoice could not be paid, and when it is paid",
)
CARD_EXPIRING = Rule(
    key="card_expiring",
    name="Expiring card",
    meaning="the card your invoices are paid with is about to expire",
)
PAUSED = Rule(
    key="auto_paused",
    name="Automatic pauses",
    meaning="your calls are paused by a plan, a budget or an unpaid invoice, and when they work again",
)
TRIAL_ENDING = Rule(key="trial_ending", name="End of the trial", meaning="your trial is about to end")
INVOICE_READY = Rule(key="invoice_ready", name="Invoices", meaning="an invoice is ready", is_lasting=False)
CHANNEL_DISABLED = Rule(
    key="channel_disabled",
    name="Channels",
    meaning="one of your channels had to be switched off because nothing could be delivered to it",
)
TEST = Rule(key="test", name="Test", meaning="you send yourself a test", is_lasting=False)

PRICE_HELD = Rule(
    key="price_held",
    name="Held prices",
    meaning="a new price moved so far that it waits to be confirmed",
    audience=Audience.STAFF,
)
DRIFT = Rule(
    key="drift_found",
    name="Drift",
    meaning="totals or limits differ from the log",
    audience=Audience.STAFF,
)
TASK_FAILING = Rule(
    key="task_failing",
    name="Tasks",
    meaning="something that happens by itself fails or is late, and when it works again",
    audience=Audience.STAFF,
)
WEBHOOK_PARKED = Rule(
    key="webhook_parked",
    name="Stripe events",
    meaning="an event of Stripe's could not be processed and waits for somebody",
    audience=Audience.STAFF,
)
PUSH_PARKED = Rule(
    key="push_parked",
    name="Pushes to Stripe",
    meaning="Stripe refused something for good and it waits for somebody",
    audience=Audience.STAFF,
)
CLOSE_FAILING = Rule(
    key="close_failing",
    name="Month close",
    meaning="a billing period cannot be closed",
    audience=Audience.STAFF,
)

RULES: dict[str, Rule] = {
    rule.key: rule
    for rule in (
        LIMIT, BUDGET, PROJECTED, ANOMALY, PROVIDER_ERRORS, PAYMENT_FAILED, CARD_EXPIRING, PAUSED,
        TRIAL_ENDING, INVOICE_READY, CHANNEL_DISABLED, TEST, PRICE_HELD, DRIFT, TASK_FAILING,
        WEBHOOK_PARKED, PUSH_PARKED, CLOSE_FAILING,
    )
}  # fmt: skip


def chosen_among(audience: Audience) -> list[Rule]:
    """The rules that people of an audience choose among."""
    return [rule for rule in RULES.values() if rule.audience is audience and rule is not TEST]


def rule_name(key: str) -> str:
    """What people call the rule; the key itself of one that is gone."""
    return RULES[key].name if key in RULES else key
