"""Mails as a mail program shows them, and the pages their links lead to."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from alerts import confirming, unsubscribe_links
from alerts.alert_mails import alert_mail, confirmation_mail, digest_mail, invitation_mail
from alerts.core.findings import Severity
from alerts.core.rules import RULES
from alerts.models import AlertChannel, ChannelState
from tests.support.cast import a_member, an_account
from tests.support.email_channels import an_email_channel
from tests.support.emails import ALICE, a_message, a_recovery
from usage.models import Member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NARROW, WIDE = 360, 1000
LONG = "organisation/a-model-with-an-unreasonably-long-name-that-nobody-would-give-2026-03-15:free"
# Each text whose contrast to what it stands on is below what WCAG AA asks for, with the figure.
FAINT_TEXTS = """() => {
  const part = (value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [red, green, blue] = numbers(colour);
    return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const speaks = (element) => [...element.childNodes].some(
    (node) => node.nodeType === Node.TEXT_NODE && node.textContent.replace(/\\u00a0/g, "").trim());
  return [...document.body.querySelectorAll("*")]
    .filter((element) => speaks(element) && element.checkVisibility())
    .map((element) => {
      const both = [getComputedStyle(element).color, ground(element)].map(luminance).sort((a, b) => a - b);
      return [element.textContent.trim(), (both[1] + 0.05) / (both[0] + 0.05)];
    })
    .filter(([, contrast]) => contrast < 4.5);
}"""


def mails() -> dict[str, str]:
    """The HTML of a mail of every kind, by what it is."""
    long = a_message(
        title="W" * 200, account_name="n" * 200, facts={"used": "9" * 80, "amount": "9" * 80, "limit": LONG}
    )
    messages = [a_message(rule, link="https://billing.example.com/") for rule in RULES]
    built = {
        **{message.rule: alert_mail(message, ALICE) for message in messages},
        "used up": alert_mail(a_message(severity=Severity.ERROR, facts={"percent": "100 %"}), ALICE),
        "long": alert_mail(long, ALICE),
        "recovery": alert_mail(a_recovery(), ALICE),
        "digest": digest_mail([*messages, long, a_recovery()], ALICE),
        "confirmation": confirmation_mail("a@example.com", account_name="n" * 200, link="/", mail_id="1"),
        "invitation": invitation_mail(
            "a@example.com",
            account_name="n" * 200,
            invited_by="w" * 150,
            role="billing admin",
            until="22 March 2026, 12:00 UTC",
            link="/",
            mail_id="1",
        ),
    }
    return {name: mail.html for name, mail in built.items()}


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_mails_fit_the_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    wide = {}
    for name, html in mails().items():
        page.set_content(html)
        wide[name] = page.evaluate("document.documentElement.scrollWidth")

    assert {name: each for name, each in wide.items() if each > width} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_mails_can_be_read_in_both_themes(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    faint = {}
    for name, html in mails().items():
        page.set_content(html)
        faint[name] = page.evaluate(FAINT_TEXTS)

    assert {name: each for name, each in faint.items() if each} == {}


def test_a_mail_is_dark_where_the_system_is(page: Page) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.set_content(mails()["digest"])
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert grounds == ["rgb(246, 247, 249)", "rgb(14, 17, 21)"]


def test_the_bar_is_as_long_as_what_is_used(page: Page) -> None:
    page.set_content(mails()["limit_threshold"])

    filled, left = (
        page.locator(part).evaluate("element => element.getBoundingClientRect().width")
        for part in (".fill-warn", ".track")
    )
    assert filled / (filled + left) == pytest.approx(0.80, abs=0.005)


def test_a_reader_unsubscribes_by_a_button(page: Page, live_server: LiveServer) -> None:
    member = Member.objects.get(user=a_member(an_account()))
    token = unsubscribe_links.member_token(member.pk, email="alice@example.com")
    page.set_viewport_size({"width": NARROW, "height": 740})

    page.goto(f"/alerts/unsubscribe/{token}/")
    expect(page.get_by_role("heading", name="No more emails?")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    page.get_by_role("button", name="Unsubscribe").click()

    expect(page.get_by_text("no longer go to alice@example.com")).to_be_visible()
    expect(page.get_by_role("button", name="Unsubscribe")).to_have_count(0)


def test_a_reader_confirms_by_a_button(page: Page, live_server: LiveServer) -> None:
    channel = an_email_channel(an_account(), state=ChannelState.UNCONFIRMED)
    token = confirming.token_for(channel.pk, email="ops@example.com")

    page.goto(f"/alerts/confirm/{token}/")
    page.get_by_role("button", name="Confirm").click()

    expect(page.get_by_role("heading", name="Address confirmed")).to_be_visible()
    assert AlertChannel.objects.get().state == ChannelState.ACTIVE
