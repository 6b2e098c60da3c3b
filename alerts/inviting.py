"""Asking people into an account by a mail with the link that lets them join."""

import hashlib
from datetime import datetime

from django.urls import reverse

from alerts import alert_mails, mailing, words
from alerts.core.messages import Undelivered
from alerts.links import absolute
from usage import invitations
from usage.models import Invitation


def send(invitation: Invitation, *, at: datetime) -> None:
    """Send the mail at once; no step takes longer than EMAIL_TIMEOUT. The invitation says whether it left,
    and in `error` why it did not: it can then be sent again.
    """
    link = link_for(invitation)
    once = hashlib.sha256(f"{link}\n{at.isoformat()}".encode()).hexdigest()[:32]
    mail = alert_mails.invitation_mail(
        invitation.email,
        account_name=invitation.account.name,
        invited_by=invitation.invited_by,
        role=invitation.get_role_display().lower(),
        until=words.moment(invitation.expires_at),
        link=link,
        mail_id=f"invite_{once}",
    )
    try:
        mailing.send(mail, invitation.email, at=at)
    except Undelivered as undelivered:
        invitations.sent(invitation, at=at, error=undelivered.reason)
    else:
        invitations.sent(invitation, at=at)


def link_for(invitation: Invitation) -> str:
    """The absolute address at which whoever reads the mail joins."""
    return absolute(reverse("join", args=[invitations.token_for(invitation)]))
