"""The application's log, for those who watch it anyway."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.channels.base import Address, takes_no_address
from alerts.core.findings import Severity
from alerts.core.messages import Destination, Message

logger = logging.getLogger(__name__)

LEVELS = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.ERROR: logging.ERROR}


@dataclass(frozen=True, slots=True)
class Log:
    """One line a message, at the level of its severity."""

    key: str = "log"
    name: str = "Log"
    address: Address = Address.NONE
    is_signed: bool = False
    is_instant: bool = False

    def checked(self, address: str) -> str:
        """Takes no address."""
        raise takes_no_address(self.name)

    def label(self, address: str) -> str:
        """Nothing to see."""
        return ""

    def send(self, messages: Sequence[Message], to: Destination, *, at: datetime) -> int | None:
        """Write the lines."""
        for message in messages:
            whose = message.account_id or "staff"
            logger.log(
                LEVELS[message.severity],
                "alert %s (%s, %s): %s %s",
                message.id,
                message.rule,
                whose,
                message.title,
                message.text,
            )
        return None


CHANNEL = Log()
