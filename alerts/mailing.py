"""Handing a mail to whatever backend the settings name."""

import logging
import smtplib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime, parseaddr

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.utils.encoding import punycode

from alerts.core.messages import Undelivered

logger = logging.getLogger(__name__)

# They turn the direction of what follows, so that a name could pretend to be another.
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail to one address, in both of its forms. `id` is what makes a repeat the same mail."""

    id: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str] = field(default_factory=dict)


def send(mail: Mail, address: str, *, at: datetime) -> None:
    """Send it; raises Undelivered, finally where the address is refused for good."""
    try:
        validate_email(address)
    except ValidationError as wrong:
        raise Undelivered("This is not an email address.", is_final=True) from wrong
    message = _built(mail, address, at=at)
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as refused:
        raise _refused(refused) from refused
    except smtplib.SMTPResponseException as answered:
        logger.warning("mail %s was not taken: %s", mail.id, answered)
        code = answered.smtp_code
        raise Undelivered(f"The mail server did not take the mail ({code}).", status=code) from answered
    except OSError as broken:
        logger.warning("mail %s could not be sent: %s", mail.id, broken)
        raise Undelivered("The mail server could not be reached.") from broken
    except Exception as failure:
        # Backends that speak to a service's API have errors of their own.
        logger.exception("mail %s could not be sent", mail.id)
        raise Undelivered(f"The mail could not be sent ({type(failure).__name__}).") from failure


def one_line(text: str) -> str:
    """`text` without line breaks, control characters and what turns its direction: fit for a header."""
    flat = " ".join(text.split())
    return "".join(each for each in flat if each not in TURNING and unicodedata.category(each) != "Cc")


def _built(mail: Mail, address: str, *, at: datetime) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        to=[address],
        headers={
            "Message-ID": f"<{mail.id}@{_domain()}>",
            "Date": format_datetime(at),
            # RFC 3834: nobody's absence notice needs to answer.
            "Auto-Submitted": "auto-generated",
            # Keeps Gmail from folding alerts of one subject into one another.
            "X-Entity-Ref-ID": mail.id,
            **mail.headers,
        },
    )
    message.attach_alternative(mail.html, "text/html")
    return message


def _domain() -> str:
    """The sender's, which is the one that the mail can be told by."""
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    return punycode(sender.rpartition("@")[2] or "localhost")


def _refused(refused: smtplib.SMTPRecipientsRefused) -> Undelivered:
    """Of the one address there is: for good with a code of 500 and above (RFC 5321, 4.2.1)."""
    logger.warning("a mail server refused an address: %s", refused)
    code = next((code for code, _ in refused.recipients.values()), None)
    is_final = code is not None and code >= 500
    reason = "The mail server refused this address" if is_final else "The mail server put this address off"
    return Undelivered(f"{reason} ({code}).", status=code, is_final=is_final)
