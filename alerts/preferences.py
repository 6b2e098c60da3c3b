"""Who wants to be told of what, and how. The channels themselves are `alerts.destinations`' business."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from alerts.channels import CHANNELS
from alerts.core.rules import Audience, chosen_among
from alerts.core.thresholds import DEFAULT_LIMIT_THRESHOLDS
from alerts.locks import take_turn
from alerts.models import AlertSettings, EmailMode, MemberAlertSettings, MutedAlert
from subscriptions import budget_settings
from subscriptions.budget_protection import budget_of
from subscriptions.core.thresholds import are_ascending
from subscriptions.models import UserSubscription
from subscriptions.queries import subscription_of
from usage.core.errors import InvalidRequest
from usage.models import Account, Member, Role

BY_EMAIL = "email"
MAX_THRESHOLDS = 10
# Beyond 100 percent a limit that is billed or only tells goes on.
MAX_THRESHOLD = 1_000
TOLD_BY_DEFAULT = (Role.OWNER, Role.BILLING_ADMIN)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an account and its members do not want, and how members get their email."""

    muted: frozenset[tuple[str, str]] = frozenset()
    muted_by_member: frozenset[tuple[int, str]] = frozenset()
    members: Sequence[tuple[int, str, EmailMode]] = field(default_factory=tuple)

    def is_muted(self, rule: str, kind: str) -> bool:
        """Whether the account does not want the rule's alerts by that kind of channel."""
        return (rule, kind) in self.muted

    def members_told_of(self, rule: str) -> list[tuple[str, EmailMode]]:
        """The addresses of the members who want the rule's alerts by email, and how they want them. One that
        several members share is named once, with a mail for each alert where one of them wants that.
        """
        told: dict[str, tuple[str, EmailMode]] = {}
        for member_id, address, mode in self.members:
            if mode is EmailMode.NONE or (member_id, rule) in self.muted_by_member:
                continue
            known, _ = told.get(address.lower(), (address, mode))
            if mode is EmailMode.EACH or address.lower() not in told:
                told[address.lower()] = (known, mode)
        return list(told.values())


def wishes_of(account: Account | None, *, ignoring_muted: bool = False) -> Wishes:
    """The wishes about the alerts of an account; staff have none."""
    if account is None:
        return Wishes()
    muted = [] if ignoring_muted else list(MutedAlert.objects.filter(account=account))
    return Wishes(
        muted=frozenset((each.rule, each.kind) for each in muted if each.member_id is None),
        muted_by_member=frozenset(
            (each.member_id, each.rule)
            for each in muted
            if each.member_id is not None and each.kind == BY_EMAIL
        ),
        members=_members_by_email(account),
    )


def mode_of(member: Member) -> EmailMode:
    """How the member gets alerts by email; no query for one who was read with their settings."""
    if hasattr(member, "alert_settings"):
        return EmailMode(member.alert_settings.email)
    return _default_mode(member)


def limit_thresholds_of(account: Account) -> Sequence[int]:
    """In percent, when people are told of the account's limits: as they chose, else as the plan says."""
    found = Account.objects.filter(pk=account.pk).values_list(
        "alert_settings__limit_thresholds", "subscription__plan_version__alert_thresholds"
    )
    chosen, sold = found.get()
    return next((each for each in (chosen, sold) if each is not None), DEFAULT_LIMIT_THRESHOLDS)


def plan_thresholds(subscription: UserSubscription | None) -> Sequence[int]:
    """In percent, when people are told of limits unless they chose otherwise."""
    if subscription is not None:
        return list(subscription.plan_version.alert_thresholds)
    return DEFAULT_LIMIT_THRESHOLDS


def budget_thresholds_of(account: Account) -> Sequence[int]:
    """In percent, when people are told of the account's budgets: as they chose, else as the plan says."""
    subscription = subscription_of(account)
    version = None if subscription is None else subscription.plan_version
    return budget_settings.alert_thresholds(budget_of(account), version)


def choose_limit_thresholds(account: Account, thresholds: Sequence[int] | None, *, at: datetime) -> None:
    """Let people of the account be told of its limits at these percentages; None: as the plan says.

    Raises InvalidRequest.
    """
    if thresholds is not None:
        check_thresholds(thresholds, field_name="limit_thresholds")
    AlertSettings.objects.update_or_create(
        account=account,
        defaults={"limit_thresholds": None if thresholds is None else list(thresholds), "updated_at": at},
    )


def check_thresholds(thresholds: Sequence[int], *, field_name: str) -> None:
    """Raise InvalidRequest unless the thresholds are few, ascending and percentages."""
    if len(thresholds) > MAX_THRESHOLDS or not are_ascending(thresholds, most=MAX_THRESHOLD):
        raise InvalidRequest(
            f"{field_name}: give at most {MAX_THRESHOLDS} ascending percentages between 1 and "
            f"{MAX_THRESHOLD}, each once.",
            details={"field": field_name},
        )


@transaction.atomic
def mute(account: Account, wanted: Mapping[str, Sequence[str]]) -> None:
    """Let the account be told of each rule in `wanted` by these kinds of channels only; rules that are not
    named stay as they are. Raises InvalidRequest.
    """
    _check_wanted(wanted)
    _take_turn(account.pk)
    for rule, kinds in wanted.items():
        MutedAlert.objects.filter(account=account, member=None, rule=rule).delete()
        unwanted = [kind for kind in CHANNELS if kind not in kinds]
        MutedAlert.objects.bulk_create(MutedAlert(account=account, rule=rule, kind=kind) for kind in unwanted)


@transaction.atomic
def choose_rules(member: Member, rules: Collection[str], *, field_name: str = "rules") -> None:
    """Let the member get emails about these rules only, as far as the account wants emails of them. Raises
    InvalidRequest.
    """
    known = [rule.key for rule in chosen_among(Audience.CUSTOMER)]
    unknown = sorted(set(rules) - set(known))
    if unknown:
        raise InvalidRequest(
            f"{field_name}: there is no rule {unknown[0]!r}; known are {', '.join(sorted(known))}.",
            details={"field": field_name},
        )
    _take_turn(member.account_id)
    MutedAlert.objects.filter(member=member).delete()
    MutedAlert.objects.bulk_create(
        MutedAlert(account_id=member.account_id, member=member, rule=rule, kind=BY_EMAIL)
        for rule in known
        if rule not in rules
    )


def wants_emails(account_id: int, email: str) -> bool:
    """Whether a member of the account with this address gets alerts by email, of whatever rule."""
    members = _members(account_id).filter(user__email__iexact=email)
    return any(mode_of(member) is not EmailMode.NONE for member in members)


def choose_email(member: Member, mode: EmailMode, *, at: datetime) -> None:
    """Let the member get alerts by email in this way."""
    MemberAlertSettings.objects.update_or_create(member=member, defaults={"email": mode, "updated_at": at})


def _check_wanted(wanted: Mapping[str, Sequence[str]]) -> None:
    known = {rule.key for rule in chosen_among(Audience.CUSTOMER)}
    for rule, kinds in wanted.items():
        if rule not in known:
            raise InvalidRequest(
                f"rules: there is no rule {rule!r}; known are {', '.join(sorted(known))}.",
                details={"field": "rules"},
            )
        unknown = [kind for kind in kinds if kind not in CHANNELS]
        if unknown:
            raise InvalidRequest(
                f"rules.{rule}: there is no channel {unknown[0]!r}; known are {', '.join(CHANNELS)}.",
                details={"field": f"rules.{rule}"},
            )


def _members_by_email(account: Account) -> list[tuple[int, str, EmailMode]]:
    return [(member.pk, member.user.email, mode_of(member)) for member in _members(account.pk)]


def _members(account_id: int) -> "QuerySet[Member]":
    """Those that emails can go to."""
    members = Member.objects.filter(account=account_id, user__is_active=True).exclude(user__email="")
    return members.select_related("user", "alert_settings").order_by("pk")


def _take_turn(account_id: int) -> None:
    take_turn(f"choices of account {account_id}")


def _default_mode(member: Member) -> EmailMode:
    return EmailMode.EACH if member.role in TOLD_BY_DEFAULT else EmailMode.NONE
