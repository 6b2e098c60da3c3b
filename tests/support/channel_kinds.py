"""Kinds of channels of the tests' own, registered beside those there are: what holds of any kind is tried
with them, and nothing leaves the machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pytest

from alerts import destinations
from alerts.channels import CHANNELS
from alerts.channels.base import Address
from alerts.core.messages import Destination, Message
from alerts.models import AlertChannel
from tests.support.cast import NOW
from usage.core.errors import InvalidRequest
from usage.models import Account


@dataclass(frozen=True, slots=True)
class Pigeon:
    """Flies to whatever begins with its prefix, and arrives."""

    key: str
    name: str
    address: Address
    is_signed: bool
    prefix: str
    is_instant: bool = False

    def checked(self, address: str) -> str:
        if not address.startswith(self.prefix):
            raise InvalidRequest(f"address: it begins with {self.prefix}.", details={"field": "address"})
        return address

    def label(self, address: str) -> str:
        return address

    def send(self, messages: Sequence[Message], to: Destination, *, at: datetime) -> int | None:
        return 200


PIGEON = Pigeon("pigeon", "Pigeon", Address.URL, is_signed=True, prefix="loft:")
LETTER = Pigeon("letter", "Letter", Address.EMAIL, is_signed=False, prefix="to:")


@pytest.fixture
def pigeons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed pigeons, and letters to addresses that confirm them first."""
    for kind in (PIGEON, LETTER):
        monkeypatch.setitem(CHANNELS, kind.key, kind)  # type: ignore[arg-type]  # a dict, for us alone


def a_pigeon(account: Account, address: str = "loft:north") -> AlertChannel:
    """An active channel of the account."""
    channel, _ = destinations.add(account, kind="pigeon", address=address, at=NOW, by="alice")
    return channel
