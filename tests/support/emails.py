"""One message per rule as it might be on a Tuesday in March 2026, with facts as its rule words them."""

from datetime import UTC, datetime
from typing import Any

from alerts.core.findings import Severity
from alerts.core.messages import Destination, Message
from alerts.core.rules import RULES, Audience

THEN = datetime(2026, 3, 3, 14, 5, tzinfo=UTC)
ALICE = Destination(
    address="alice@example.com",
    settings_link="https://billing.example.com/alerts/settings/",
    unsubscribe_link="https://billing.example.com/alerts/unsubscribe/m1:abc/",
)

# By rule: severity, title, text, facts.
EXAMPLES: dict[str, tuple[Severity, str, str, dict[str, str]]] = {
    "limit_threshold": (
        Severity.WARNING,
        "80 % of OpenAI tokens used",
        "803,412 of 1,000,000 tokens are used this billing period (OpenAI tokens). Once it is used up, calls "
        "are refused until 1 April 2026, 00:00 UTC.",
        {
            "used": "803,412 tokens",
            "amount": "1,000,000 tokens",
            "percent": "80 %",
            "remaining": "196,588 tokens",
            "measure": "tokens",
            "limit": "OpenAI tokens",
            "mode": "block",
            "resets_at": "1 April 2026, 00:00 UTC",
            "source": "plan",
        },
    ),
    "budget_threshold": (
        Severity.INFO,
        "50 % of marketing spend used",
        "12.50 of 25.00 USD are used this billing period (marketing spend). Calls go on.",
        {
            "used": "12.50 USD",
            "amount": "25.00 USD",
            "percent": "50 %",
            "remaining": "12.50 USD",
            "measure": "cost",
            "limit": "marketing spend",
            "mode": "notify",
            "resets_at": "1 April 2026, 00:00 UTC",
            "source": "budget",
        },
    ),
    "projected_to_exceed": (
        Severity.WARNING,
        "Your spend is on the way beyond 50.00 USD",
        "If the month goes on as it began, 62.40 USD will be spent when it ends.",
        {
            "expected": "62.40 USD",
            "low": "55.10 USD",
            "high": "70.00 USD",
            "amount": "50.00 USD",
            "limit": "Cost of your plan",
            "resets_at": "1 April 2026, 00:00 UTC",
        },
    ),
    "spend_anomaly": (
        Severity.WARNING,
        "Today’s spend is 6 times the usual",
        "By 14:00 UTC 31.20 USD were spent, most of it for OpenAI.",
        {"today": "31.20 USD", "usual": "5.20 USD", "factor": "6 times as much"},
    ),
    "provider_errors": (
        Severity.ERROR,
        "42 % of your Anthropic calls fail",
        "In the last 15 minutes 126 of 300 calls failed.",
        {"calls": "300", "errors": "126", "percent": "42 %"},
    ),
    "payment_failed": (
        Severity.ERROR,
        "49.00 USD could not be paid",
        "Invoice INV-000012: Your card was declined. Your calls still work.",
        {
            "invoice": "INV-000012",
            "amount": "49.00 USD",
            "reason": "Your card was declined.",
            "next_attempt": "6 March 2026",
        },
    ),
    "card_expiring": (
        Severity.WARNING,
        "Your Visa ending in 4242 expires soon",
        "It expires before your next invoice is due.",
        {"brand": "Visa", "last4": "4242", "expires": "03/2026"},
    ),
    "auto_paused": (
        Severity.ERROR,
        "Your calls are paused",
        "The included usage of your plan is used up. Calls are refused until 1 April 2026, when the "
        "next billing period begins, or until you choose another plan.",
        {"reason": "The included usage is used up.", "until": "1 April 2026, 00:00 UTC"},
    ),
    "trial_ending": (
        Severity.WARNING,
        "Your trial of Pro ends on 6 March 2026",
        "Your card is then charged 49.00 USD for the plan.",
        {"plan": "Pro", "fee": "49.00 USD", "ends": "6 March 2026, 00:00 UTC"},
    ),
    "invoice_ready": (
        Severity.INFO,
        "Invoice INV-000013 over 49.00 USD is ready",
        "39.00 USD are due by 17 March 2026. With a card on file it is charged by itself.",
        {"invoice": "INV-000013", "total": "49.00 USD", "due": "39.00 USD"},
    ),
    "channel_disabled": (
        Severity.WARNING,
        "Slack #billing is switched off",
        "For three days nothing could be delivered to it.",
        {"channel": "Slack #billing", "reason": "It answered 404.", "since": "28 February 2026, 09:00 UTC"},
    ),
    "test": (Severity.INFO, "A test", "You asked for it.", {}),
    "price_held": (
        Severity.WARNING,
        "A price of openai gpt-4o waits",
        "The input price moved by a factor of 10.",
        {"model": "openai gpt-4o", "old_price": "2.50 USD", "new_price": "25.00 USD"},
    ),
    "drift_found": (
        Severity.ERROR,
        "3 totals differ from the log",
        "The nightly check found totals that do not add up.",
        {"totals": "3", "largest_difference": "0.000125 USD"},
    ),
    "task_failing": (
        Severity.ERROR,
        "“Close months” fails",
        "It has failed 3 times in a row.",
        {"task": "Close months", "last_success": "3 March 2026, 11:00 UTC", "error": "OperationalError"},
    ),
    "webhook_parked": (
        Severity.ERROR,
        "An event of Stripe’s could not be processed",
        "invoice.paid was tried 8 times.",
        {"event": "evt_1Q2w3E", "type": "invoice.paid"},
    ),
    "push_parked": (
        Severity.ERROR,
        "Stripe refused a refund",
        "The refund of 12.00 USD for Acme Research was refused for good.",
        {"operation": "Refund", "reason": "charge_already_refunded"},
    ),
    "close_failing": (
        Severity.ERROR,
        "A period of Acme Research cannot be closed",
        "The totals do not match the log.",
        {"period": "1 Feb – 28 Feb 2026", "since": "1 March 2026, 00:10 UTC"},
    ),
}


def a_message(rule: str = "limit_threshold", **fields: Any) -> Message:
    """The rule's example, with some of it replaced by `fields`."""
    severity, title, text, facts = EXAMPLES[rule]
    is_ours = RULES[rule].audience is Audience.STAFF
    example: dict[str, Any] = {
        "id": f"msg_{rule}",
        "alert_id": 1,
        "rule": rule,
        "severity": severity,
        "title": title,
        "text": text,
        "account_id": "" if is_ours else "acme",
        "account_name": "" if is_ours else "Acme",
        "created_at": THEN,
        "threshold": 80 if rule == "limit_threshold" else 0,
        "facts": facts,
        "link": "https://billing.example.com/alerts/7/",
    }
    return Message(**{**example, **fields})


def a_recovery(**fields: Any) -> Message:
    """A limit has room again."""
    told = {
        "severity": Severity.INFO,
        "title": "OpenAI tokens have room again",
        "text": "Your calls are taken again since 1 April 2026, 00:00 UTC.",
        "is_recovery": True,
    }
    return a_message(**{**told, **fields})
