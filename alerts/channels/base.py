"""What every channel can do."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from alerts.core.messages import Destination, Message
from usage.core.errors import InvalidRequest


class Address(StrEnum):
    """What a channel's destination is."""

    NONE = "none"
    EMAIL = "email"
    URL = "url"


class Channel(Protocol):
    """A way out. It is called from threads, touches no database and knows its arguments alone."""

    @property
    def key(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> Address:
        """What it needs to be told of where to deliver."""

    @property
    def is_signed(self) -> bool:
        """Whether what it delivers is signed with secrets of the destination."""

    @property
    def is_instant(self) -> bool:
        """Whether an alert is delivered by being there."""

    def checked(self, address: str) -> str:
        """The address in the one form it is kept in; raises InvalidRequest naming the field `address`, for
        one that nothing is delivered to, and where the channel takes none.
        """

    def label(self, address: str) -> str:
        """What people may see of the address."""

    def send(self, messages: Sequence[Message], to: Destination, *, at: datetime) -> int | None:
        """Deliver, all in one; returns a status code where there is one. More than one message is a digest,
        which only emails are. Raises Undelivered.
        """


def takes_no_address(name: str) -> InvalidRequest:
    """What a channel without an address answers to one."""
    return InvalidRequest(f"address: {name} takes none.", details={"field": "address"})
