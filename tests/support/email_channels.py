"""Email addresses that were added to an account."""

from alerts.models import AlertChannel, ChannelState
from alerts.sealing import fingerprint, seal
from tests.support.cast import NOW
from usage.models import Account


def an_email_channel(
    account: Account | None, *, email: str = "ops@example.com", state: str = ChannelState.ACTIVE
) -> AlertChannel:
    return AlertChannel.objects.create(
        account=account,
        kind="email",
        label=email,
        address_hash=fingerprint(email),
        sealed_address=seal(email),
        state=state,
        disabled_reason="It bounced." if state == ChannelState.DISABLED else "",
        created_at=NOW,
        confirmed_at=NOW if state == ChannelState.ACTIVE else None,
    )
