"""GET and POST /api/usage/alerts: what an account is told of, by which channels, and who of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from msgspec import UNSET
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts import choices, destinations, preferences, updating, words
from alerts.api.bodies import AlertsUpdate, read_body
from alerts.api.channels import AskedChannelSerializer, asked_fields, name_of
from alerts.api.reach import account_changed, may_change
from alerts.channels import CHANNELS
from alerts.choices import MemberEmails
from alerts.core.rules import Audience, chosen_among
from alerts.models import ChannelState, ConfirmationMail, EmailMode
from alerts.updating import Recipient, Update
from subscriptions.queries import subscription_of
from usage.api.bodies import pointing
from usage.api.caller import account_read, caller
from usage.api.parameters import AccountQuery, read_query
from usage.models import Account, Role

MAX_RECIPIENTS = 500
LIMITS_FROM = ["plan", "account"]
# What people may choose for a channel.
SWITCHES = [ChannelState.ACTIVE.value, ChannelState.DISABLED.value]
POINTERS = {"limit_thresholds": "/thresholds/limits"}


class ThresholdsSerializer(serializers.Serializer[Any]):
    """Percentages at which people are told."""

    limits = serializers.ListField(child=serializers.IntegerField(), help_text="Of the plan's limits.")
    limits_from = serializers.ChoiceField(
        choices=LIMITS_FROM, help_text="account: it chose them. plan: the plan says so, or ours without one."
    )
    budget = serializers.ListField(
        child=serializers.IntegerField(), help_text="Of the account's own budgets; set with the budget."
    )


class RuleSerializer(serializers.Serializer[Any]):
    """Something people can be told of."""

    name = serializers.CharField()
    meaning = serializers.CharField(help_text='Completes "You are told when …".')
    channels = serializers.ListField(
        child=serializers.CharField(), help_text="The kinds of channels it is told by."
    )


class RecipientSerializer(serializers.Serializer[Any]):
    """A member and how they get alerts by email."""

    member = serializers.CharField(help_text="The username.")
    email = serializers.CharField(help_text="Empty where there is none to send to.")
    role = serializers.ChoiceField(choices=Role.choices)
    mode = serializers.ChoiceField(choices=EmailMode.choices)
    rules = serializers.ListField(
        child=serializers.CharField(),
        help_text="The rules they want emails of; they get those that the account is told of by email.",
    )


class AlertChoicesSerializer(serializers.Serializer[Any]):
    thresholds = ThresholdsSerializer()
    rules = serializers.DictField(child=RuleSerializer(), help_text="By the `type` that alerts have.")
    channels = AskedChannelSerializer(many=True, help_text="Where alerts go out to.")
    recipients = RecipientSerializer(
        many=True, help_text="The members, whose addresses are told in part to those who may not change this."
    )


class ThresholdsUpdateSerializer(serializers.Serializer[Any]):
    limits = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=preferences.MAX_THRESHOLD),
        max_length=preferences.MAX_THRESHOLDS,
        allow_null=True,
        help_text="Ascending percentages, each once; null: those of the plan.",
    )


class ChannelUpdateSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=SWITCHES)


class RecipientUpdateSerializer(serializers.Serializer[Any]):
    member = serializers.CharField(help_text="The username.")
    mode = serializers.ChoiceField(choices=EmailMode.choices, required=False)
    rules = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="All the rules they want emails of; an empty list: none.",
    )


class AlertChoicesUpdateSerializer(serializers.Serializer[Any]):
    """What is left out stays as it is."""

    thresholds = ThresholdsUpdateSerializer(required=False)
    rules = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="The kinds of channels each rule is told by; an empty list: by none.",
    )
    channels = ChannelUpdateSerializer(many=True, required=False)
    recipients = RecipientUpdateSerializer(many=True, required=False)


class AlertChoicesView(APIView):
    """What the account is told of, by which channels, and who gets emails."""

    @extend_schema(
        operation_id="alert_choices",
        tags=["Alerts"],
        parameters=[AccountQuery],
        responses=AlertChoicesSerializer,
    )
    def get(self, request: Request) -> Response:
        query = read_query(AccountQuery, request)
        return _told(request, account_read(request, query.get("user_id")), at=timezone.now())

    @extend_schema(
        operation_id="update_alert_choices",
        tags=["Alerts"],
        parameters=[AccountQuery],
        request=AlertChoicesUpdateSerializer,
        responses=AlertChoicesSerializer,
    )
    def post(self, request: Request) -> Response:
        """Change what is given, all of it or nothing; answered as it stands then.

        For owners, billing admins, and keys with the scope admin; staff need the permission to change alert
        settings. Channels are added and removed at /api/usage/alerts/channels, thresholds of budgets set with
        the budget.
        """
        at = timezone.now()
        account = account_changed(request, read_query(AccountQuery, request).get("user_id"))
        wanted = _wanted(read_body(AlertsUpdate, request))
        with pointing(POINTERS):
            mails = updating.update(account, wanted, at=at, by=name_of(request))
        return _told(request, account, at=at, mails=mails)


def _wanted(asked: AlertsUpdate) -> Update:
    return Update(
        limit_thresholds=UNSET if asked.thresholds is UNSET else asked.thresholds.limits,
        rules=asked.rules,
        channels=[(each.id, each.state == ChannelState.ACTIVE.value) for each in asked.channels],
        recipients=[
            Recipient(
                member=each.member,
                mode=None if each.mode is UNSET else EmailMode(each.mode),
                rules=None if each.rules is UNSET else each.rules,
            )
            for each in asked.recipients
        ],
    )


def _told(
    request: Request, account: Account, *, at: datetime, mails: Sequence[ConfirmationMail] = ()
) -> Response:
    asked = {mail.channel_id: mail for mail in mails}
    recipients = choices.member_emails(account, at_most=MAX_RECIPIENTS, user=caller(request).user)
    shows_all = may_change(request, account)
    channels = destinations.all_of(account, at=at)
    told = {
        "thresholds": _thresholds(account),
        "rules": _rules(account),
        "channels": [asked_fields(each, asked.get(each.pk)) for each in channels if each.kind in CHANNELS],
        "recipients": [_recipient(each, shows_all=shows_all) for each in recipients],
    }
    return Response(AlertChoicesSerializer(told).data)


def _thresholds(account: Account) -> dict[str, Any]:
    limits = choices.limit_thresholds(account, subscription_of(account))
    return {
        "limits": limits.of_plan if limits.own is None else limits.own,
        "limits_from": "plan" if limits.own is None else "account",
        "budget": preferences.budget_thresholds_of(account),
    }


def _rules(account: Account) -> dict[str, Any]:
    wishes = preferences.wishes_of(account)
    kinds = [channel.key for channel in choices.kinds()]
    return {
        rule.key: {
            "name": rule.name,
            "meaning": rule.meaning,
            "channels": [kind for kind in kinds if not wishes.is_muted(rule.key, kind)],
        }
        for rule in chosen_among(Audience.CUSTOMER)
    }


def _recipient(emails: MemberEmails, *, shows_all: bool) -> dict[str, Any]:
    name, address = emails.member.user.get_username(), emails.address
    return {
        "member": name if shows_all else words.masked(name),
        "email": address if shows_all else words.masked(address),
        "role": emails.member.role,
        "mode": emails.mode,
        "rules": [rule.key for rule in chosen_among(Audience.CUSTOMER) if rule.key not in emails.muted],
    }
