"""From a limit that is nearly used up to the mail, and from its link to none."""

import re

import pytest
from django.core import mail
from django.test import Client

from alerts import delivery
from tests.support.alerting import a_limit, limited, look, use
from tests.support.cast import NOW, a_member
from tests.support.recording import prepare
from usage.models import Account

pytestmark = pytest.mark.django_db


def test_a_member_is_told_by_email_until_they_unsubscribe(client: Client) -> None:
    prepare()
    account = limited(Account.objects.get(external_id="acme"), a_limit(amount="10"))
    a_member(account)

    use(8)
    assert look(account) == ["80 % of calls used"]
    delivery.deliver_due(clock=lambda: NOW, limit=10)
    [sent] = mail.outbox
    assert (sent.to, sent.subject) == (["alice@example.com"], "[Acme] 80 % of calls used")
    assert "- Used: 8 of 10 calls (80 %)\n" in sent.body

    link = re.fullmatch(r"<http://127\.0\.0\.1:8000(\S+)>", sent.message()["List-Unsubscribe"])
    assert link is not None
    assert client.post(link[1], {"List-Unsubscribe": "One-Click"}).status_code == 200
    use(1, since=8)
    assert look(account) == ["90 % of calls used"]
    delivery.deliver_due(clock=lambda: NOW, limit=10)
    assert mail.outbox == [sent]
