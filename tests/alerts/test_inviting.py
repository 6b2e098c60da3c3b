"""The mail that asks somebody into an account."""

from typing import Any

import pytest
from django.core import mail

from alerts import inviting
from tests.support.cast import NOW, TESTS, an_account
from tests.support.ports import free_port
from usage import invitations
from usage.models import Invitation

pytestmark = pytest.mark.django_db


def an_invitation(account_name: str = "Acme Research", by: str = "") -> Invitation:
    account = an_account("acme", name=account_name)
    invitation = invitations.invite(
        account, email="carol@example.com", role="viewer", at=NOW, by=TESTS, by_staff=True
    )
    invitation.invited_by = by or invitation.invited_by
    return invitation


def test_it_says_who_asks_into_what_as_what_and_until_when() -> None:
    invitation = an_invitation()
    inviting.send(invitation, at=NOW)
    (sent,) = mail.outbox
    link = inviting.link_for(invitation)
    assert sent.to == ["carol@example.com"]
    assert sent.subject == "tests asks you to join Acme Research"
    html = str(sent.alternatives[0][0])
    for form in (str(sent.body), html):
        assert "tests asks you to join Acme Research as viewer" in form
        assert "22 March 2026, 12:00 UTC" in form
        assert link in form
        assert "somebody at Acme Research entered carol@example.com" in form
    assert (invitation.sent_at, invitation.error) == (NOW, "")
    assert Invitation.objects.get().sent_at == NOW


def test_a_mail_server_that_is_away_is_told_and_costs_no_invitation(
    settings: Any,
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    inviting.send(an_invitation(), at=NOW)
    found = Invitation.objects.get()
    assert (found.sent_at, found.error) == (None, "The mail server could not be reached.")


def test_names_that_a_stranger_chose_are_short_and_no_markup() -> None:
    inviting.send(an_invitation("<b>Win</b>\n" + "x" * 100, by="y" * 150), at=NOW)
    (sent,) = mail.outbox
    assert "\n" not in sent.subject
    assert len(sent.subject) < 150
    html = str(sent.alternatives[0][0])
    assert "<b>" not in html
    assert "y" * 61 not in html
    assert "x" * 61 not in html
