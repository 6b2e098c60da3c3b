"""The email channel, up to Django's backend."""

from typing import Any

import pytest
from django.core import mail

from alerts.channels import CHANNELS, email
from alerts.channels.base import Address
from tests.support.cast import NOW
from tests.support.emails import ALICE, a_message
from usage.core.errors import InvalidRequest

EMAIL = email.CHANNEL


def headers_of(index: int = 0) -> Any:
    return mail.outbox[index].message()


def test_it_needs_an_email_address_and_signs_nothing() -> None:
    assert CHANNELS["email"] is EMAIL
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


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ops@example.com", "ops@example.com"),
        (" Ops.Team+billing@Example.COM ", "Ops.Team+billing@example.com"),
        ("ops@größe.example", "ops@größe.example"),
        (
            f"{'n' * 64}@{'d' * 63}.{'e' * 63}.{'f' * 58}.de",
            f"{'n' * 64}@{'d' * 63}.{'e' * 63}.{'f' * 58}.de",
        ),
    ],
)
def test_an_address_is_kept_in_one_form(given: str, kept: str) -> None:
    assert EMAIL.checked(given) == kept
    assert EMAIL.label(kept) == kept


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ops",
        "@example.com",
        "ops@",
        "a@example.com, b@example.com",
        "Ops <ops@example.com>",
        "ops@example.com\nBcc: eve@example.com",
        f"{'n' * 64}@{'d' * 63}.{'e' * 63}.{'f' * 59}.de",
    ],
)
def test_what_nothing_is_delivered_to_is_refused_by_name(address: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        EMAIL.checked(address)

    assert refused.value.details == {"field": "address"}
