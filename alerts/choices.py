"""What an account has chosen about its alerts, for people who look it over. The choices themselves are made
by `alerts.preferences` and `alerts.destinations`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Case, When

from alerts import preferences
from alerts.channels import CHANNELS
from alerts.channels.base import Address, Channel
from alerts.destinations import OF_ACCOUNTS
from alerts.models import AlertChannel, AlertSettings, EmailMode, MutedAlert
from subscriptions.models import UserSubscription
from usage.core.errors import NotFound
from usage.models import Account, Member


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitThresholds:
    """In percent, when people are told of limits: as the account chose, None where it did not; and as its
    plan says.
    """

    own: Sequence[int] | None
    of_plan: Sequence[int]


@dataclass(frozen=True, slots=True)
class MemberEmails:
    """How a member gets alerts by email, and of which rules they want none."""

    member: Member
    mode: EmailMode
    muted: frozenset[str] = frozenset()

    @property
    def address(self) -> str:
        """Empty where there is none to send to."""
        return self.member.user.email if self.member.user.is_active else ""


def limit_thresholds(account: Account, subscription: UserSubscription | None) -> LimitThresholds:
    """Of the account, whose subscription the caller has read."""
    chosen = AlertSettings.objects.filter(account=account).first()
    return LimitThresholds(
        own=None if chosen is None else chosen.limit_thresholds,
        of_plan=preferences.plan_thresholds(subscription),
    )


def kinds() -> list[Channel]:
    """The kinds of channels that alerts of an account can go out by."""
    return [each for each in CHANNELS.values() if each.key in OF_ACCOUNTS or each.address is not Address.NONE]


def kinds_to_add() -> list[Channel]:
    """The kinds of channels that people add, by an address."""
    return [each for each in CHANNELS.values() if each.address is not Address.NONE]


def channel_of(account: Account, channel_id: int) -> AlertChannel:
    """A channel of the account; raises NotFound, in the same words, for one of others and none."""
    channel = AlertChannel.objects.filter(account=account, pk=channel_id).first()
    if channel is None:
        raise NotFound("There is no such channel.", code="channel_unknown")
    return channel


def member_emails(account: Account, *, at_most: int, user: User | None) -> list[MemberEmails]:
    """The members of the account and how each gets emails: `user` first, then those who joined first."""
    members = Member.objects.filter(account=account).select_related("user", "alert_settings").order_by("pk")
    if user is not None:
        members = members.order_by(Case(When(user=user, then=0), default=1), "pk")
    rules = MutedAlert.objects.filter(account=account, member__isnull=False, kind=preferences.BY_EMAIL)
    muted = list(rules.values_list("member", "rule"))
    return [
        MemberEmails(
            each,
            preferences.mode_of(each),
            frozenset(rule for member_id, rule in muted if member_id == each.pk),
        )
        for each in members[:at_most]
    ]
