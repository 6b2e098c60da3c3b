"""The inbox of the account's pages: an alert is in it by being there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.channels.base import Address, takes_no_address
from alerts.core.messages import Destination, Message


@dataclass(frozen=True, slots=True)
class InApp:
    """Has nothing to do."""

    key: str = "in_app"
    name: str = "Inbox"
    address: Address = Address.NONE
    is_signed: bool = False
    is_instant: bool = True

    def checked(self, address: str) -> str:
        """Takes no address."""
        raise takes_no_address(self.name)

    def label(self, address: str) -> str:
        """Nothing to see."""
        return ""

    def send(self, messages: Sequence[Message], to: Destination, *, at: datetime) -> int | None:
        """Nothing to send."""
        return None


CHANNEL = InApp()
