"""Handing mails to a backend: what their headers say, and what its refusals mean."""

import socket
from collections.abc import Sequence
from email.message import Message
from typing import Any

import pytest
from django.core import mail as sent
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from alerts import mailing
from alerts.core.messages import Undelivered
from alerts.mailing import Mail, one_line
from tests.support.cast import NOW
from tests.support.mail_servers import a_mail_server

MAIL = Mail(id="msg_1", subject="[Acme] 80 % used", text="In words.", html="<p>In words.</p>")


class Overrun(Exception):
    """What a service's own library might raise."""


class Service(BaseEmailBackend):
    """Takes no mail."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        raise Overrun(len(email_messages))


def outcome(settings: Any, *, port: int) -> Undelivered:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    with pytest.raises(Undelivered) as undelivered:
        mailing.send(MAIL, "alice@example.com", at=NOW)
    return undelivered.value


def the_one_sent() -> Message:
    [message] = sent.outbox
    return message.message()


def test_a_mail_has_both_forms(settings: Any) -> None:
    mailing.send(MAIL, "alice@example.com", at=NOW)

    text, html = the_one_sent().get_payload()
    assert text.get_content_type() == "text/plain"
    assert text.get_payload(decode=True) == b"In words."
    assert html.get_content_type() == "text/html"
    assert html.get_payload(decode=True) == b"<p>In words.</p>"


def test_a_repeat_is_known_by_its_id(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "Acme Billing <billing@mail.example.com>"
    for _ in range(2):
        mailing.send(MAIL, "alice@example.com", at=NOW)

    ids = [message.message()["Message-ID"] for message in sent.outbox]
    assert ids == ["<msg_1@mail.example.com>"] * 2


def test_the_headers_say_that_no_person_wrote_it() -> None:
    mailing.send(MAIL, "alice@example.com", at=NOW)

    message = the_one_sent()
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Entity-Ref-ID"] == "msg_1"
    assert message["Date"] == "Sun, 15 Mar 2026 12:00:00 +0000"


@pytest.mark.parametrize(
    ("code", "is_final", "reason"),
    [
        ("450", False, "The mail server put this address off (450)."),
        ("499", False, "The mail server put this address off (499)."),
        ("500", True, "The mail server refused this address (500)."),
        ("550", True, "The mail server refused this address (550)."),
    ],
)
def test_a_refused_address_is_final_from_500_on(
    settings: Any, code: str, is_final: bool, reason: str
) -> None:
    with a_mail_server(RCPT=f"{code} about mailbox-7.internal") as port:
        undelivered = outcome(settings, port=port)

    assert (undelivered.status, undelivered.is_final) == (int(code), is_final)
    assert undelivered.reason == reason


@pytest.mark.parametrize("answers", [{"MAIL": "550 not you"}, {"DATA": "554 not now"}, {"DATA": "451 wait"}])
def test_a_mail_that_is_not_taken_is_tried_again(settings: Any, answers: dict[str, str]) -> None:
    with a_mail_server(**answers) as port:
        undelivered = outcome(settings, port=port)

    code = next(iter(answers.values()))[:3]
    assert not undelivered.is_final
    assert undelivered.reason == f"The mail server did not take the mail ({code})."


def test_a_server_that_is_away_is_tried_again(settings: Any) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        undelivered = outcome(settings, port=nobody_listens.getsockname()[1])

    assert not undelivered.is_final
    assert undelivered.reason == "The mail server could not be reached."


def test_a_server_that_does_not_answer_is_tried_again(settings: Any) -> None:
    settings.EMAIL_TIMEOUT = 0.1
    with socket.create_server(("127.0.0.1", 0)) as silent:
        undelivered = outcome(settings, port=silent.getsockname()[1])

    assert not undelivered.is_final
    assert undelivered.reason == "The mail server could not be reached."


def test_a_backend_with_errors_of_its_own_is_tried_again(settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.{Service.__name__}"
    with pytest.raises(Undelivered) as undelivered:
        mailing.send(MAIL, "alice@example.com", at=NOW)

    assert not undelivered.value.is_final
    assert undelivered.value.reason == "The mail could not be sent (Overrun)."


@pytest.mark.parametrize("address", ["", "alice", "alice@example.com\nBcc: eve@example.com", "a@b, c@d"])
def test_what_is_no_address_is_refused_for_good(address: str) -> None:
    with pytest.raises(Undelivered) as undelivered:
        mailing.send(MAIL, address, at=NOW)

    assert undelivered.value.is_final
    assert sent.outbox == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("two\r\nBcc: eve@example.com", "two Bcc: eve@example.com"),
        ("  much \t space\u2028here ", "much space here"),
        ("a\x00b\x1bc\x7f", "abc"),
        ("in\u202evoice", "invoice"),
        ("Größe 東京 👩‍💻", "Größe 東京 👩‍💻"),
    ],
)
def test_one_line_is_fit_for_a_header(text: str, line: str) -> None:
    assert one_line(text) == line
