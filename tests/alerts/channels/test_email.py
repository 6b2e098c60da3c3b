"""The email channel, up to Django's backend."""

from typing import Any

from django.core import mail

from alerts.channels import CHANNELS
from alerts.channels.base import Address
from tests.support.cast import NOW
from tests.support.emails import ALICE, a_message

EMAIL = CHANNELS["email"]


def headers_of(index: int = 0) -> Any:
    return mail.outbox[index].message()


def test_it_needs_an_email_address_and_signs_nothing() -> None:
    assert (EMAIL.address, EMAIL.is_signed, EMAIL.is_instant) == (Address.EMAIL, False, False)


def test_one_message_is_one_mail() -> None:
    EMAIL.send([a_message()], ALICE, at=NOW)

    [sent] = mail.outbox
    assert sent.to == ["alice@example.com"]
    assert sent.subject == "[Acme] 80 % of OpenAI tokens used"
    assert headers_of()["Message-ID"] == "<msg_limit_threshold@localhost>"


def test_several_messages_are_one_mail() -> None:
    EMAIL.send([a_message(), a_message("payment_failed")], ALICE, at=NOW)

    [sent] = mail.outbox
    assert sent.subject == "2 alerts for Acme on 3 March"


def test_mail_programs_can_unsubscribe_by_one_post() -> None:
    EMAIL.send([a_message()], ALICE, at=NOW)

    link = "https://billing.example.com/alerts/unsubscribe/m1:abc/"
    assert headers_of()["List-Unsubscribe"] == f"<{link}>"
    assert headers_of()["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_title_adds_no_header() -> None:
    EMAIL.send([a_message(title="Used\r\nBcc: eve@example.com", account_name="A\nB")], ALICE, at=NOW)

    assert mail.outbox[0].subject == "[A B] Used Bcc: eve@example.com"
    assert mail.outbox[0].recipients() == ["alice@example.com"]
    assert headers_of()["Bcc"] is None


def test_it_touches_no_database() -> None:
    # Without the mark django_db a query is an error.
    EMAIL.send([a_message("payment_failed")], ALICE, at=NOW)

    assert len(mail.outbox) == 1
