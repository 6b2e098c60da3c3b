"""Adding channels, and switching them on again: an email address's owner is asked by a mail first.

The mail is written down with the change that calls for it, and sent once that is committed, at once rather
than by a worker: whoever adds an address learns whether the mail left, and can send it again. A mail server
that is away so costs a mail, never the channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from django.db import transaction

from alerts import confirming, destinations, words
from alerts.core.messages import Undelivered
from alerts.locks import take_turn
from alerts.models import AlertChannel, ChannelState, ConfirmationMail
from alerts.sealing import Unreadable, fingerprint, unseal
from usage.core.errors import Conflict
from usage.models import Account

# An address gets at most one such mail within APART, whoever asks, and an account sends at most MOST_A_DAY:
# nobody's mailbox is to be filled by somebody else.
APART = timedelta(minutes=10)
DAY = timedelta(days=1)
MOST_A_DAY = 20
UNREADABLE = "The address cannot be read any more: remove it, and add it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A channel that was added; `secret` is shown this once and empty where it does not sign. `mail` is what
    asks the owner of an email address, and says in `error` why it could not be sent.
    """

    channel: AlertChannel
    secret: str
    mail: ConfirmationMail | None


def add(account: Account, *, kind: str, address: str, at: datetime, by: str) -> Added:
    """Add a channel, and ask the owner of an email address. Raises as `destinations.add`, and Conflict where
    the owner cannot be asked now; then nothing is added.
    """
    with transaction.atomic():
        channel, secret = destinations.add(account, kind=kind, address=address, at=at, by=by)
        mail = None
        if channel.state == ChannelState.UNCONFIRMED:
            _take_turn()
            mail = _ask(channel, at=at, by=by)
    send([] if mail is None else [mail], at=at)
    return Added(channel=channel, secret=secret, mail=mail)


def enable(channel: AlertChannel, *, at: datetime, by: str) -> ConfirmationMail | None:
    """Deliver to the channel again, or ask the owner of an email address who has not agreed, by the mail that
    is returned. Raises as `switch_on`.
    """
    mail = switch_on(channel, at=at, by=by)
    send([] if mail is None else [mail], at=at)
    return mail


@transaction.atomic
def switch_on(channel: AlertChannel, *, at: datetime, by: str) -> ConfirmationMail | None:
    """The same within a transaction of the caller's, who passes the mail to `send` when that is committed.
    Raises Conflict for an address that waits already, and where its owner cannot be asked now.
    """
    _take_turn()
    destinations.enable(channel)
    return _ask(channel, at=at, by=by) if channel.state == ChannelState.UNCONFIRMED else None


def ask_again(channel: AlertChannel, *, at: datetime, by: str) -> ConfirmationMail:
    """Ask the owner once more. Raises Conflict where nothing waits to be confirmed, for another mail within
    APART, and for more than MOST_A_DAY of the account's.
    """
    with transaction.atomic():
        _take_turn()
        channel.refresh_from_db()
        if channel.state != ChannelState.UNCONFIRMED:
            raise Conflict("This channel does not wait to be confirmed.", code="channel_not_unconfirmed")
        mail = _ask(channel, at=at, by=by)
    send([mail], at=at)
    return mail


def send(mails: Sequence[ConfirmationMail], *, at: datetime) -> None:
    """Send what is written down and committed; each says whether it was sent. No more are tried once the mail
    server could not be reached.
    """
    away = ""
    for mail in mails:
        error = away
        if not away:
            try:
                _send(mail, at=at)
            except Undelivered as undelivered:
                error = undelivered.reason[:500]
                away = "" if undelivered.is_final else error
        mail.sent_at, mail.error = None if error else at, error
        mail.save(update_fields=["sent_at", "error"])


def last_mails(account: Account) -> dict[int, ConfirmationMail]:
    """The last mail to each channel's address, by the channel's id."""
    mails = ConfirmationMail.objects.filter(account=account, channel__isnull=False).order_by("pk")
    return {mail.channel_id: mail for mail in mails if mail.channel_id is not None}


def _take_turn() -> None:
    """Taken before any channel is touched, so that nobody waits for it while others wait for them."""
    take_turn("confirmation mails")


def _ask(channel: AlertChannel, *, at: datetime, by: str) -> ConfirmationMail:
    """Write the mail down that asks the channel's owner, whose turn it is. Raises Conflict."""
    account = channel.account
    if account is None:
        raise Conflict("What our staff are told waits for nobody.", code="channel_not_unconfirmed")
    mails = ConfirmationMail.objects.order_by("asked_at")
    mails.filter(account=account, asked_at__lte=at - DAY).delete()
    address_hash = fingerprint(_email_of(channel).lower())
    # What could not be sent has filled nobody's mailbox.
    last = mails.filter(address_hash=address_hash, asked_at__gt=at - APART, error="").last()
    if last is not None:
        raise _too_soon(
            "The owner of this address has just been asked",
            "confirmation_too_soon",
            last.asked_at + APART,
            at,
        )
    of_the_day = mails.filter(account=account)
    if of_the_day.count() >= MOST_A_DAY:
        raise _too_soon(
            f"Owners of addresses were asked {MOST_A_DAY} times within a day",
            "too_many_confirmations",
            of_the_day[0].asked_at + DAY,
            at,
        )
    return ConfirmationMail.objects.create(
        account=account, channel=channel, address_hash=address_hash, asked_at=at, asked_by=by
    )


def _send(mail: ConfirmationMail, *, at: datetime) -> None:
    channel = mail.channel
    if channel is None or channel.account is None:
        raise Undelivered("The channel was removed meanwhile.", is_final=True)
    email = _email_of(channel)
    link = confirming.link_for(confirming.token_for(channel.pk, email=email))
    confirming.send_confirmation(email, account_name=channel.account.name, link=link, at=at)


def _email_of(channel: AlertChannel) -> str:
    try:
        return unseal(channel.sealed_address)
    except Unreadable as unreadable:
        raise Conflict(UNREADABLE, code="channel_unreadable") from unreadable


def _too_soon(what: str, code: str, again_at: datetime, at: datetime) -> Conflict:
    wait_s = ceil((again_at - at).total_seconds())
    return Conflict(
        f"{what}: wait until {words.moment(again_at)}, then send the mail again.",
        code=code,
        details={"retry_after": wait_s},
    )
