"""Alerts in Slack, received by a server that answers as Slack does. No database."""

import json
from typing import Any

import pytest
from pytest_django import Settings

from alerts.channels import CHANNELS
from alerts.core.findings import Severity
from alerts.core.messages import Destination, Message, Undelivered
from tests.support.messages import CREATED, a_message
from tests.support.receivers import Answer, receiving
from usage.core.errors import InvalidRequest

SLACK: Any = CHANNELS["slack"]


@pytest.mark.usefixtures("private_allowed")
class TestTheMessage:
    def test_says_everything_in_blocks_and_the_title_to_those_who_show_none(self) -> None:
        assert shown(a_message()) == {
            "text": "*80 % of OpenAI tokens used*",
            "attachments": [
                {
                    "color": "#d97706",
                    "fallback": a_message().text,
                    "blocks": [
                        {"type": "section", "text": mrkdwn(a_message().text)},
                        {"type": "context", "elements": [mrkdwn("Acme Corp")]},
                        {
                            "type": "actions",
                            "elements": [
                                {
                                    "type": "button",
                                    "text": {"type": "plain_text", "text": "Show"},
                                    "url": "https://billing.example.com/alerts/42/",
                                }
                            ],
                        },
                    ],
                }
            ],
        }

    @pytest.mark.parametrize(
        ("severity", "is_recovery", "color"),
        [
            (Severity.INFO, False, "#2563eb"),
            (Severity.WARNING, False, "#d97706"),
            (Severity.ERROR, False, "#dc2626"),
            (Severity.INFO, True, "#16a34a"),
        ],
    )
    def test_has_the_color_of_its_severity(self, severity: Severity, is_recovery: bool, color: str) -> None:
        [attachment] = shown(a_message(severity=severity, is_recovery=is_recovery))["attachments"]

        assert attachment["color"] == color

    def test_names_of_customers_make_no_links_mentions_or_commands(self) -> None:
        hostile = "<!channel> <https://evil.example|pay> R&D &lt;"
        escaped = "&lt;!channel&gt; &lt;https://evil.example|pay&gt; R&amp;D &amp;lt;"

        message = shown(a_message(title=hostile, text=hostile, account_name=hostile))

        assert message["text"] == f"*{escaped}*"
        [attachment] = message["attachments"]
        section, context, _ = attachment["blocks"]
        assert attachment["fallback"] == escaped
        assert section["text"] == mrkdwn(escaped)
        assert context["elements"] == [mrkdwn(escaped)]

    @pytest.mark.parametrize(
        ("written", "shown_as"),
        [("x" * 600, "x" * 600), ("x" * 601, "x" * 599 + "…"), ("&" * 601, "&amp;" * 599 + "…")],
    )
    def test_is_cut_to_what_a_section_takes(self, written: str, shown_as: str) -> None:
        """3,000 characters, when each of 600 is escaped to 5."""
        [attachment] = shown(a_message(text=written))["attachments"]

        assert attachment["blocks"][0]["text"]["text"] == shown_as
        assert len(shown_as) <= 3_000

    def test_leaves_out_what_there_is_not(self) -> None:
        [attachment] = shown(a_message(account_id="", account_name="", link=""))["attachments"]

        assert [block["type"] for block in attachment["blocks"]] == ["section"]


@pytest.mark.usefixtures("private_allowed")
class TestWhatSlackAnswers:
    @pytest.mark.parametrize(
        ("status", "answer", "reason"),
        [
            (410, "channel_is_archived", "The Slack channel is archived."),
            (404, "channel_not_found", "The Slack channel does not exist any more."),
            (404, "no_service", "The webhook was removed or switched off in Slack."),
            (404, "no_service_id", "Slack does not know this address (any more)."),
            (404, "no_active_hooks", "The webhook was switched off in Slack."),
            (403, "invalid_token", "Slack does not know this address (any more)."),
            (404, "no_team", "The Slack workspace does not exist (any more)."),
            (403, "team_disabled", "The Slack workspace was switched off."),
        ],
    )
    def test_an_address_that_is_gone_is_gone(self, status: int, answer: str, reason: str) -> None:
        failed = undelivered(status, answer)

        assert (failed.reason, failed.status) == (reason, status)
        assert (failed.is_final, failed.is_gone) == (True, True)

    @pytest.mark.parametrize(
        ("status", "answer", "reason"),
        [
            (400, "invalid_payload", "Slack does not take the message."),
            (400, "invalid_blocks", "Slack does not take the message."),
            (403, "action_prohibited", "An administrator of the Slack workspace does not allow it."),
            (
                403,
                "posting_to_general_channel_denied",
                "The Slack workspace does not allow this channel to be posted to.",
            ),
        ],
    )
    def test_what_would_be_refused_again_is_not_sent_again(
        self, status: int, answer: str, reason: str
    ) -> None:
        failed = undelivered(status, answer)

        assert (failed.reason, failed.status) == (reason, status)
        assert (failed.is_final, failed.is_gone) == (True, False)

    @pytest.mark.parametrize(
        ("status", "answer"),
        [(429, "rate_limited"), (500, "rollup_error"), (503, ""), (404, "<html>"), (403, "something_new")],
    )
    def test_anything_else_may_work_the_next_time(self, status: int, answer: str) -> None:
        failed = undelivered(status, answer)

        assert failed.reason == f"It answered {status}: {answer}" if answer else f"It answered {status}."
        assert (failed.is_final, failed.is_gone) == (False, False)


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "https://example.com/services/T0/B0/x",
            "https://hooks.slack.com.example.com/services/T0/B0/x",
            "https://example.com/hooks.slack.com",
            "https://slack.com/services/T0/B0/x",
            "https://hooks.slack.com:443@example.com/",
            "http://hooks.slack.com/services/T0/B0/x",
            "https://127.0.0.1/",
        ],
    )
    def test_of_others_than_slack_are_neither_entered_nor_called(self, address: str) -> None:
        with pytest.raises(InvalidRequest, match=r"^address: "):
            SLACK.checked(address)
        with pytest.raises(Undelivered) as raised:
            SLACK.send([a_message()], Destination(address=address), at=CREATED)
        assert raised.value.is_final

    def test_the_refusal_says_what_an_address_looks_like(self) -> None:
        with pytest.raises(InvalidRequest) as refused:
            SLACK.checked("https://example.com/")

        assert refused.value.message == "address: Enter an address that begins with https://hooks.slack.com/."

    def test_a_server_of_ones_own_can_be_tried_where_the_setting_says_so(self, settings: Settings) -> None:
        with receiving() as server:
            settings.ALERT_URLS_ALLOW_PRIVATE = True
            assert SLACK.checked(server.url) == server.url


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def shown(message: Message) -> dict[str, Any]:
    """What Slack is sent of a message."""
    with receiving() as server:
        assert SLACK.send([message], Destination(address=server.url), at=CREATED) == 200
    [request] = server.received
    assert request.headers["content-type"] == "application/json"
    told: dict[str, Any] = json.loads(request.body)
    return told


def undelivered(status: int, answer: str) -> Undelivered:
    """Why a message does not arrive when Slack answers that."""
    with receiving(Answer(status=status, body=answer.encode())) as server:
        with pytest.raises(Undelivered) as raised:
            SLACK.send([a_message()], Destination(address=server.url), at=CREATED)
        return raised.value
