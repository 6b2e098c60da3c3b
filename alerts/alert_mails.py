"""What alerts look like as mails. Nothing is looked up: a mail says what its messages say.

The template of a rule is written once and rendered twice: it extends `layout` and includes what is in
`parts`, which are those of the HTML or those of the text. Facts that are missing leave no trace.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.template.loader import render_to_string

from alerts.core import rules
from alerts.core.findings import Severity
from alerts.core.messages import Destination, Message
from alerts.mailing import Mail, one_line

GENERIC = "generic"
RECOVERY = "recovery"
# The template of each rule's alerts, under templates/alerts/email/; a rule without one has the generic one.
TEMPLATES: Mapping[str, str] = {
    rules.LIMIT.key: "usage",
    rules.BUDGET.key: "usage",
    rules.PROJECTED.key: "projection",
    rules.ANOMALY.key: "anomaly",
    rules.PROVIDER_ERRORS.key: "provider_errors",
    rules.PAYMENT_FAILED.key: "payment_failed",
    rules.CARD_EXPIRING.key: "card_expiring",
    rules.PAUSED.key: "paused",
    rules.TRIAL_ENDING.key: "trial_ending",
    rules.INVOICE_READY.key: "invoice_ready",
    rules.CHANNEL_DISABLED.key: "channel_disabled",
    rules.TEST.key: "test",
    rules.PRICE_HELD.key: "price_held",
    rules.DRIFT.key: "drift_found",
    rules.TASK_FAILING.key: "task_failing",
    rules.WEBHOOK_PARKED.key: "webhook_parked",
    rules.PUSH_PARKED.key: "push_parked",
    rules.CLOSE_FAILING.key: "close_failing",
}
LONGEST_SUBJECT = 150
LONGEST_NAME = 60
MOST_LINES = 50
STAFF = "ALwrity Billing"
ITEMS_APART = re.compile(r"^(- .*)\n\n(?=- )", re.MULTILINE)
PERCENT = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*%?\s*")


@dataclass(frozen=True, slots=True)
class Look:
    """How urgent it is, in a colour, a shape and a word: none of them says it alone. `ink` and `ground` are
    the light values of the tone; the dark ones are in the layout.
    """

    tone: str
    ink: str
    ground: str
    shape: str
    word: str
    plural: str


# The colours are those of static/css/tokens.css; the shapes are characters that no client makes a picture of.
RESOLVED = Look("good", "#176c40", "#e3f4ea", "✓", "Resolved", "Resolved")
LOOKS = {
    Severity.ERROR: Look("bad", "#b3261e", "#fdeae8", "■", "Urgent", "Urgent"),
    Severity.WARNING: Look("warn", "#835100", "#fdf0d5", "▲", "Warning", "Warnings"),
    Severity.INFO: Look("accent", "#085566", "#e2f2f5", "●", "Good to know", "Good to know"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """What is used of something, in whole percent of the bar's width."""

    filled: int

    @property
    def left(self) -> int:
        return 100 - self.filled


@dataclass(frozen=True, slots=True)
class Line:
    """One alert of a digest."""

    title: str
    whose: str
    at: datetime
    link: str


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts of a digest that are equally urgent, newest first."""

    look: Look
    lines: Sequence[Line]


def alert_mail(message: Message, to: Destination) -> Mail:
    """One alert."""
    facts = {name: one_line(value) for name, value in message.facts.items()}
    title = one_line(message.title)
    context = {
        "message": message,
        "title": title,
        "facts": facts,
        "labelled_facts": [(name.replace("_", " ").capitalize(), value) for name, value in facts.items()],
        "used": _without_unit(facts.get("used", ""), of=facts.get("amount", "")),
        "bar": bar_of(facts.get("percent", "")),
        "look": look_of(message),
        "whose": whose(message),
        "rule_name": rules.rule_name(message.rule),
        "is_test": message.rule == rules.TEST.key,
        "to": to,
    }
    return Mail(
        id=message.id,
        subject=_subject(f"[{whose(message)}] {title}"),
        text=_tidied(_rendered(message, context, form="txt")),
        html=_rendered(message, context, form="html"),
        headers=_headers(to),
    )


def digest_mail(messages: Sequence[Message], to: Destination) -> Mail:
    """Several alerts in one mail, as of the day of the newest."""
    newest_first = sorted(messages, key=lambda message: (message.created_at, message.alert_id), reverse=True)
    day = newest_first[0].created_at
    owners = {whose(message) for message in messages}
    title = (
        f"{len(messages)} alerts for {owners.pop() if len(owners) == 1 else f'{len(owners)} accounts'} "
        f"on {day.day} {day:%B}"
    )
    context = {
        "title": title,
        "groups": _grouped(newest_first[:MOST_LINES]),
        "more": max(len(messages) - MOST_LINES, 0),
        "has_many_owners": len({message.account_id for message in messages}) > 1,
        "to": to,
    }
    return Mail(
        id=_id_of_all(messages),
        subject=_subject(title),
        text=_tidied(render_to_string("alerts/email/digest.txt", context)),
        html=render_to_string("alerts/email/digest.html", context),
        headers=_headers(to),
    )


def confirmation_mail(address: str, *, account_name: str, link: str, mail_id: str) -> Mail:
    """Asks whether an address may be written to; `link` leads to where that is confirmed.

    The account's name is the one thing in it that a stranger could have chosen; so it is short.
    """
    context = {
        "title": "Confirm this address for alerts",
        "whose": _short(account_name) or STAFF,
        "link": link,
        "to": Destination(address=address),
    }
    return Mail(
        id=mail_id,
        subject="Confirm this address for alerts",
        text=_tidied(render_to_string("alerts/email/confirmation.txt", context)),
        html=render_to_string("alerts/email/confirmation.html", context),
    )


def invitation_mail(
    address: str, *, account_name: str, invited_by: str, role: str, until: str, link: str, mail_id: str
) -> Mail:
    """Asks somebody into an account; `link` leads to where they join. The names of the account and of who
    asks could have been chosen by a stranger; so they are short.
    """
    whose_account, who = _short(account_name), _short(invited_by)
    context = {
        "title": f"Join {whose_account}",
        "whose": whose_account,
        "who": who,
        "role": role,
        "until": until,
        "link": link,
        "to": Destination(address=address),
    }
    return Mail(
        id=mail_id,
        subject=_subject(f"{who} asks you to join {whose_account}"),
        text=_tidied(render_to_string("alerts/email/invitation.txt", context)),
        html=render_to_string("alerts/email/invitation.html", context),
    )


def look_of(message: Message) -> Look:
    """How an alert is shown."""
    return RESOLVED if message.is_recovery else LOOKS[message.severity]


def whose(message: Message) -> str:
    """The account by its name, which may be long; ourselves where the alert is for staff."""
    return _short(message.account_name or message.account_id) or STAFF


def bar_of(percent: str) -> Bar | None:
    """The bar for a figure such as "80 %", full from 100 on; None where it is no such figure."""
    found = PERCENT.fullmatch(percent.replace(",", ""))
    return Bar(min(int(Decimal(found[1])), 100)) if found else None


def _without_unit(figure: str, *, of: str) -> str:
    """ "8,400 tokens" of "10,000 tokens" without the unit, which then stands behind the other figure."""
    unit = of.partition(" ")[2]
    return figure.removesuffix(f" {unit}") if unit else figure


def _rendered(message: Message, context: Mapping[str, object], *, form: str) -> str:
    template = RECOVERY if message.is_recovery else TEMPLATES.get(message.rule, GENERIC)
    parts = {part: f"alerts/email/parts/{part}.{form}" for part in ("bar", "fact")}
    return render_to_string(
        f"alerts/email/rules/{template}.html",
        {**context, "layout": f"alerts/email/alert.{form}", "parts": parts},
    )


def _tidied(text: str) -> str:
    """At most one empty line in a row, and none between the items of a list."""
    lines = "\n".join(line.strip() for line in text.strip().splitlines())
    return ITEMS_APART.sub(r"\1\n", re.sub(r"\n{3,}", "\n\n", lines)) + "\n"


def _grouped(messages: Sequence[Message]) -> list[Group]:
    looks = [*LOOKS.values(), RESOLVED]
    groups = [Group(look, [_line(each) for each in messages if look_of(each) == look]) for look in looks]
    return [group for group in groups if group.lines]


def _line(message: Message) -> Line:
    return Line(one_line(message.title), whose(message), message.created_at, message.link)


def _short(name: str) -> str:
    flat = one_line(name)
    return flat if len(flat) <= LONGEST_NAME else f"{flat[: LONGEST_NAME - 1]}…"


def _headers(to: Destination) -> dict[str, str]:
    """RFC 8058: mail programs offer a button that stops the mails by one POST."""
    if not to.unsubscribe_link:
        return {}
    return {
        "List-Unsubscribe": f"<{to.unsubscribe_link}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _subject(text: str) -> str:
    return text if len(text) <= LONGEST_SUBJECT else f"{text[: LONGEST_SUBJECT - 1]}…"


def _id_of_all(messages: Sequence[Message]) -> str:
    ids = "\n".join(sorted(message.id for message in messages))
    return f"digest_{hashlib.sha256(ids.encode()).hexdigest()[:32]}"
