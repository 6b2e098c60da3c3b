"""Emails: one alert in one, or several as a digest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from alerts import alert_mails, mailing
from alerts.channels.base import Address
from alerts.core.messages import Destination, Message
from usage.core.errors import InvalidRequest

# RFC 5321, 4.5.3.1.3: a path, which has an address between angle brackets, has 256.
LONGEST_ADDRESS = 254


@dataclass(frozen=True, slots=True)
class Email:
    """Goes through the backend that the settings name."""

    key: str = "email"
    name: str = "Email"
    address: Address = Address.EMAIL
    is_signed: bool = False
    is_instant: bool = False

    def checked(self, address: str) -> str:
        """The address with its domain in lower case. Raises InvalidRequest."""
        name, _, domain = address.strip().rpartition("@")
        kept = f"{name}@{domain.lower()}"
        try:
            validate_email(kept)
        except ValidationError as wrong:
            raise InvalidRequest(
                "address: give an email address, such as ops@example.com.", details={"field": "address"}
            ) from wrong
        if len(kept) > LONGEST_ADDRESS:
            raise InvalidRequest(
                f"address: an email address has at most {LONGEST_ADDRESS} characters.",
                details={"field": "address"},
            )
        return kept

    def label(self, address: str) -> str:
        """All of it."""
        return address

    def send(self, messages: Sequence[Message], to: Destination, *, at: datetime) -> int | None:
        """Send one mail."""
        if len(messages) == 1:
            mail = alert_mails.alert_mail(messages[0], to)
        else:
            mail = alert_mails.digest_mail(messages, to)
        mailing.send(mail, to.address, at=at)
        return None


CHANNEL = Email()
