"""Alerts as mails, in both of their forms."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings

from alerts import alert_mails
from alerts.alert_mails import TEMPLATES, alert_mail, bar_of, confirmation_mail, digest_mail
from alerts.core.findings import Severity
from alerts.core.messages import Destination
from alerts.core.rules import RULES
from tests.support.emails import ALICE, EXAMPLES, THEN, a_message, a_recovery

FOLDER = Path(settings.BASE_DIR, "alerts", "templates", "alerts", "email")
# Facts that are put into other words, or said with another.
SAID_OTHERWISE = ("mode", "source", "used")
SCRIPT = "<script>alert('x')</script>"


def words_of(html: str) -> str:
    """What a reader sees of it."""
    body = html[html.index("<body") :]
    return " ".join(re.sub(r"<!--.*?-->|<[^>]*>", " ", body, flags=re.DOTALL).replace("&nbsp;", " ").split())


def test_a_limits_mail_says_it_all_in_the_text() -> None:
    assert alert_mail(a_message(), ALICE).text == (
        "Warning: 80 % of OpenAI tokens used\n"
        "Acme, 3 March 2026, 14:05 UTC\n"
        "\n"
        "803,412 of 1,000,000 tokens are used this billing period (OpenAI tokens). Once it is used up, calls "
        "are refused until 1 April 2026, 00:00 UTC.\n"
        "\n"
        "- Used: 803,412 of 1,000,000 tokens (80 %)\n"
        "- Remaining: 196,588 tokens\n"
        "- Limit: OpenAI tokens\n"
        "- Counts: Tokens\n"
        "- Comes from: Your plan\n"
        "- When used up: Calls are refused\n"
        "- Resets: 1 April 2026, 00:00 UTC\n"
        "\n"
        "See your usage:\n"
        "https://billing.example.com/alerts/7/\n"
        "\n"
        "--\n"
        "You get this because alice@example.com is told of “Usage limits” of Acme.\n"
        "\n"
        "Choose what you are told of:\n"
        "https://billing.example.com/alerts/settings/\n"
        "\n"
        "Unsubscribe:\n"
        "https://billing.example.com/alerts/unsubscribe/m1:abc/\n"
    )


@pytest.mark.parametrize(
    ("rule", "label"),
    [
        ("limit_threshold", "See your usage"),
        ("budget_threshold", "See what you spend"),
        ("trial_ending", "See your plan"),
        ("test", "See your channels"),
    ],
)
def test_the_button_names_the_page_it_leads_to(rule: str, label: str) -> None:
    mail = alert_mail(a_message(rule, link="https://b.example/x"), ALICE)

    assert f"{label}:\nhttps://b.example/x\n" in mail.text
    assert label in words_of(mail.html)


def test_a_digest_says_it_all_in_the_text() -> None:
    earlier = a_message("spend_anomaly", created_at=THEN - timedelta(hours=3), link="https://b.example/1")
    messages = [
        earlier,
        a_message("payment_failed", link="https://b.example/2"),
        a_recovery(link="https://b.example/3"),
        a_message("limit_threshold", link="https://b.example/4"),
    ]

    mail = digest_mail(messages, Destination(address="alice@example.com"))

    assert mail.text == (
        "4 alerts for Acme on 3 March\n"
        "\n"
        "Urgent\n"
        "\n"
        "- 49.00 USD could not be paid (3 March, 14:05 UTC)\n"
        "https://b.example/2\n"
        "\n"
        "Warnings\n"
        "\n"
        "- 80 % of OpenAI tokens used (3 March, 14:05 UTC)\n"
        "https://b.example/4\n"
        "- Today’s spend is 6 times the usual (3 March, 11:05 UTC)\n"
        "https://b.example/1\n"
        "\n"
        "Resolved\n"
        "\n"
        "- OpenAI tokens have room again (3 March, 14:05 UTC)\n"
        "https://b.example/3\n"
        "\n"
        "--\n"
        "You get this because alice@example.com is told of alerts once a day.\n"
    )


def test_every_rule_has_an_example_and_a_template() -> None:
    assert set(EXAMPLES) == set(RULES) == set(TEMPLATES)


@pytest.mark.parametrize("rule", RULES)
def test_both_forms_of_a_rules_mail_say_the_same(rule: str) -> None:
    message = a_message(rule)
    mail = alert_mail(message, ALICE)

    facts = [value for name, value in message.facts.items() if name not in SAID_OTHERWISE]
    said = [each.lower() for each in (message.title, message.text, *facts)]
    seen = words_of(mail.html).replace("&#x27;", "'").lower()
    assert [each for each in said if each not in mail.text.lower()] == []
    assert [each for each in said if each not in seen] == []
    assert f'href="{message.link}"' in mail.html


@pytest.mark.parametrize("rule", RULES)
def test_facts_that_are_missing_leave_no_trace(rule: str) -> None:
    mail = alert_mail(a_message(rule, facts={}), ALICE)

    assert "- " not in mail.text.split("\n--\n")[0]
    assert "fact-value" not in mail.html.split("</style>")[1]
    assert "None" not in mail.text + words_of(mail.html)


def test_a_rule_without_a_template_shows_every_fact() -> None:
    facts = {"queue_length": "12", "since": "noon"}
    mail = alert_mail(dataclasses.replace(a_message(), rule="new", facts=facts), ALICE)

    assert "- Queue length: 12\n- Since: noon\n" in mail.text
    assert "“new”" in mail.text
    assert "Queue length 12 Since noon" in words_of(mail.html)


@pytest.mark.parametrize(
    ("mode", "then"),
    [
        ("block", "Calls are refused"),
        ("bill", "Calls go on and are billed"),
        ("notify", "Calls go on"),
        ("They slow down", "They slow down"),
    ],
)
def test_a_limit_says_what_happens_when_it_is_used_up(mode: str, then: str) -> None:
    assert f"\n- When used up: {then}\n" in alert_mail(a_message(facts={"mode": mode}), ALICE).text


@pytest.mark.parametrize(
    ("used", "amount", "line"),
    [
        ("8,400 tokens", "10,000 tokens", "8,400 of 10,000 tokens"),
        ("4.20 USD", "5.00 USD", "4.20 of 5.00 USD"),
        ("8,400", "10,000 tokens", "8,400 of 10,000 tokens"),
        ("8,400 tokens", "10,000", "8,400 tokens of 10,000"),
        ("8,400 tokens", "", "8,400 tokens"),
    ],
)
def test_a_unit_is_said_once(used: str, amount: str, line: str) -> None:
    mail = alert_mail(a_message(facts={"used": used, "amount": amount}), ALICE)

    assert f"\n- Used: {line}\n" in mail.text


def test_what_has_ended_is_told_calmly_whatever_it_was() -> None:
    mail = alert_mail(a_recovery(), ALICE)

    assert mail.text.startswith("Resolved: OpenAI tokens have room again\n")
    assert "There is nothing you need to do." in mail.text
    assert "✓ Resolved" in words_of(mail.html)
    assert "803,412" not in mail.text


@pytest.mark.parametrize(
    ("severity", "seen"),
    [(Severity.ERROR, "■ Urgent"), (Severity.WARNING, "▲ Warning"), (Severity.INFO, "● Good to know")],
)
def test_how_urgent_it_is_is_said_in_a_shape_and_a_word(severity: Severity, seen: str) -> None:
    assert seen in words_of(alert_mail(a_message(severity=severity), ALICE).html)


def test_staff_are_told_as_ourselves() -> None:
    mail = alert_mail(a_message("drift_found"), ALICE)

    assert mail.subject == "[ALwrity Billing] 3 totals differ from the log"
    assert "alice@example.com looks after ALwrity Billing." in mail.text


def test_what_others_wrote_is_escaped_in_html_and_left_alone_in_text() -> None:
    message = a_message(
        title=SCRIPT, text=SCRIPT, account_name=SCRIPT, facts={"used": SCRIPT, "limit": SCRIPT}
    )
    mail = alert_mail(message, Destination(address="a&b@example.com"))

    assert "<script" not in mail.html
    assert mail.html.count("&lt;script&gt;") >= 6
    assert mail.text.count(SCRIPT) == 6
    assert "a&b@example.com" in mail.text
    assert "a&amp;b@example.com" in mail.html
    assert "<script" not in digest_mail([message, message], ALICE).html
    assert (
        "<script" not in confirmation_mail("a@example.com", account_name=SCRIPT, link="/", mail_id="1").html
    )


def test_names_of_every_script_arrive() -> None:
    mail = alert_mail(a_message(account_name="株式会社 Größe 👩‍💻"), ALICE)

    assert mail.subject.startswith("[株式会社 Größe 👩‍💻] ")
    assert "株式会社 Größe 👩‍💻" in mail.html


def test_long_names_leave_room_for_what_happened() -> None:
    at_most = alert_mail(a_message(account_name="n" * 60), ALICE)
    beyond = alert_mail(a_message(account_name="n" * 61, title="t" * 200), ALICE)

    assert at_most.subject == f"[{'n' * 60}] 80 % of OpenAI tokens used"
    assert beyond.subject == f"[{'n' * 59}…] {'t' * 86}…"
    assert len(beyond.subject) == 150


@pytest.mark.parametrize(
    ("percent", "filled"),
    [
        ("0 %", 0),
        ("79.9 %", 79),
        ("80 %", 80),
        ("80%", 80),
        ("80", 80),
        ("100 %", 100),
        ("1,250 %", 100),
        ("", None),
        ("about half", None),
        ("-5 %", None),
    ],
)
def test_the_bar_is_as_long_as_the_percentage(percent: str, filled: int | None) -> None:
    bar = bar_of(percent)

    assert (None if bar is None else (bar.filled, bar.left)) == (
        None if filled is None else (filled, 100 - filled)
    )


def test_a_digest_of_the_same_alerts_is_the_same_mail() -> None:
    one, other, third = (a_message(rule) for rule in ("limit_threshold", "payment_failed", "trial_ending"))

    assert digest_mail([one, other], ALICE).id == digest_mail([other, one], ALICE).id
    assert digest_mail([one, other], ALICE).id != digest_mail([one, third], ALICE).id


def test_a_digest_is_of_the_day_of_its_newest_alert() -> None:
    newest = a_message(created_at=datetime(2026, 3, 4, 0, 0, tzinfo=UTC))

    assert digest_mail([newest, a_message()], ALICE).subject == "2 alerts for Acme on 4 March"


def test_a_digest_of_several_accounts_says_whose_each_is() -> None:
    mail = digest_mail([a_message(), a_message(account_id="bolt", account_name="Bolt")], ALICE)

    assert mail.subject == "2 alerts for 2 accounts on 3 March"
    assert "(Bolt, 3 March, 14:05 UTC)" in mail.text
    assert "Bolt · 3 March, 14:05 UTC" in words_of(mail.html)


def test_a_digest_lists_fifty_and_counts_the_rest() -> None:
    messages = [a_message(title=f"number {number}.", alert_id=number) for number in range(52)]

    fifty = digest_mail(messages[:50], ALICE).text
    assert "number 0." in fifty
    assert "older" not in fifty
    beyond = digest_mail(messages, ALICE)
    assert "number 2." in beyond.text
    assert "number 1." not in beyond.text
    assert "And 2 older." in beyond.text
    assert "And 2 older." in words_of(beyond.html)


def test_a_confirmation_says_who_asks_and_where_to_confirm() -> None:
    mail = confirmation_mail(
        "ops@example.com", account_name="Acme", link="https://b.example/c/", mail_id="c1"
    )

    assert mail.subject == "Confirm this address for alerts"
    assert "Somebody at Acme would like alerts" in mail.text
    assert "https://b.example/c/" in mail.text
    assert 'href="https://b.example/c/"' in mail.html
    assert mail.headers == {}


def test_a_mail_loads_nothing_from_anywhere() -> None:
    for rule in RULES:
        html = alert_mail(a_message(rule), ALICE).html
        assert re.findall(r"<img|<link|<script|url\(|@import|src=", html) == []


def test_every_colour_is_one_of_the_design() -> None:
    tokens = set(re.findall(r"#[0-9a-f]{6}", Path(settings.BASE_DIR, "static/css/tokens.css").read_text()))
    files = [*FOLDER.rglob("*.html"), Path(str(alert_mails.__file__))]
    used = {colour for path in files for colour in re.findall(r"#[0-9a-f]{6}\b", path.read_text())}

    assert used - tokens == set()
    assert len(used) > 20
