"""Email addresses that were added to an account, beside those of its members."""

from dataclasses import dataclass

from alerts.models import AlertChannel
from alerts.sealing import Unreadable, unseal


@dataclass(frozen=True, slots=True)
class AddedAddress:
    """An email channel and the address it leads to."""

    channel: AlertChannel
    email: str

    @property
    def state(self) -> str:
        return self.channel.state

    @property
    def account_name(self) -> str:
        """Empty where what staff are told goes there."""
        return self.channel.account.name if self.channel.account else ""


def find(channel_id: int) -> AddedAddress | None:
    """The address of a channel; None where there is no such channel, or none with an address to be read."""
    channel = AlertChannel.objects.filter(pk=channel_id, kind="email").select_related("account").first()
    if channel is None or not channel.sealed_address:
        return None
    try:
        return AddedAddress(channel, unseal(channel.sealed_address))
    except Unreadable:
        return None
