"""/api/usage/alerts/channels: where an account's alerts go out to."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts import adding, choices, destinations, testing
from alerts.api.bodies import NewChannel, read_body
from alerts.api.deliveries import DeliverySerializer, delivery_fields
from alerts.api.reach import PERMISSION, account_changed
from alerts.channels import CHANNELS
from alerts.models import AlertChannel, ChannelState, ConfirmationMail
from subscriptions.actors import of_principal
from usage.access import speaks_for_us
from usage.api.bodies import pointing
from usage.api.caller import caller
from usage.api.parameters import AccountQuery, read_query

CHANNEL_ID = OpenApiParameter("channel_id", OpenApiTypes.INT, OpenApiParameter.PATH)


class ChannelSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.CharField(help_text="Such as in_app, email, slack or webhook.")
    name = serializers.CharField(help_text="What people call the kind.")
    address = serializers.CharField(
        help_text="What may be seen of the address; empty for the inbox and the emails of the members, which "
        "are always there."
    )
    state = serializers.ChoiceField(choices=ChannelState.choices)
    disabled_reason = serializers.CharField(help_text="Why nothing is delivered; empty where it is.")
    last_delivered_at = serializers.DateTimeField(allow_null=True)
    signed = serializers.BooleanField(help_text="Whether deliveries are signed, as Standard Webhooks says.")


class ConfirmationSerializer(serializers.Serializer[Any]):
    """The mail that asks the owner of an email address."""

    asked_at = serializers.DateTimeField()
    sent = serializers.BooleanField()
    error = serializers.CharField(help_text="Why it could not be sent; empty where it was. Send it again.")


class AskedChannelSerializer(ChannelSerializer):
    confirmation = ConfirmationSerializer(
        required=False, help_text="Absent unless its owner has just been asked."
    )


class NewChannelSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text="email, slack or webhook.")
    address = serializers.CharField(help_text="An email address, or an https URL.")


class AddedChannelSerializer(AskedChannelSerializer):
    secret = serializers.CharField(
        required=False, help_text="What deliveries are signed with, shown this once; absent where unsigned."
    )


class RotatedSerializer(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="Shown this once.")
    previous_works_until = serializers.DateTimeField(
        help_text="Until then deliveries are signed with the secret before it as well."
    )


class TestSentSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()
    deliveries = DeliverySerializer(many=True)


class ChannelsView(APIView):
    """Add a channel.

    An email address waits until its owner, who is asked by a mail, confirms it. For owners, billing admins,
    and keys with the scope admin; staff need the permission to change alert settings. So it is with all that
    changes a channel.
    """

    @extend_schema(
        operation_id="add_alert_channel",
        tags=["Alerts"],
        parameters=[AccountQuery],
        request=NewChannelSerializer,
        responses={201: AddedChannelSerializer},
    )
    def post(self, request: Request) -> Response:
        query = read_query(AccountQuery, request)
        account = account_changed(request, query.get("user_id"))
        asked = read_body(NewChannel, request)
        with pointing():
            added = adding.add(
                account, kind=asked.kind, address=asked.address, at=timezone.now(), by=name_of(request)
            )
        told = asked_fields(added.channel, added.mail)
        if added.secret:
            told["secret"] = added.secret
        return Response(AddedChannelSerializer(told).data, status=201)


class ChannelView(APIView):
    """A channel of the account."""

    @extend_schema(
        operation_id="remove_alert_channel",
        tags=["Alerts"],
        parameters=[CHANNEL_ID, AccountQuery],
        responses={204: None},
    )
    def delete(self, request: Request, channel_id: str) -> Response:
        """Remove the channel with its log. The inbox and the members' emails cannot be removed."""
        destinations.remove(_asked(request, channel_id))
        return Response(status=204)


class ChannelTestView(APIView):
    """Send a test to this channel alone: at most one every ten seconds."""

    @extend_schema(
        operation_id="test_alert_channel",
        tags=["Alerts"],
        parameters=[CHANNEL_ID, AccountQuery],
        request=None,
        responses={202: TestSentSerializer},
    )
    def post(self, request: Request, channel_id: str) -> Response:
        alert = testing.send_test(_asked(request, channel_id), at=timezone.now())
        sent = alert.deliveries.select_related("alert", "channel").order_by("pk")
        told = {
            "message": "A test is on its way.",
            "deliveries": [delivery_fields(delivery, shows_recipient=True) for delivery in sent],
        }
        return Response(TestSentSerializer(told).data, status=202)


class EnableChannelView(APIView):
    """Deliver to the channel again, from the next alert on. One that is active stays so.

    An email address whose owner unsubscribed waits until they confirm it anew, and is asked to by a mail.
    """

    @extend_schema(
        operation_id="enable_alert_channel",
        tags=["Alerts"],
        parameters=[CHANNEL_ID, AccountQuery],
        request=None,
        responses=AskedChannelSerializer,
    )
    def post(self, request: Request, channel_id: str) -> Response:
        channel = _asked(request, channel_id)
        mail = adding.enable(channel, at=timezone.now(), by=name_of(request))
        return Response(AskedChannelSerializer(asked_fields(channel, mail)).data)


class ConfirmAgainView(APIView):
    """Send the mail that asks the owner of an email address once more.

    An address gets at most one within ten minutes (409 `confirmation_too_soon`), and an account sends at most
    20 a day (409 `too_many_confirmations`); `Retry-After` says when to try again.
    """

    @extend_schema(
        operation_id="confirm_alert_channel_again",
        tags=["Alerts"],
        parameters=[CHANNEL_ID, AccountQuery],
        request=None,
        responses=AskedChannelSerializer,
    )
    def post(self, request: Request, channel_id: str) -> Response:
        channel = _asked(request, channel_id)
        mail = adding.ask_again(channel, at=timezone.now(), by=name_of(request))
        return Response(AskedChannelSerializer(asked_fields(channel, mail)).data)


class DisableChannelView(APIView):
    """Deliver nothing to the channel any more, what waits included. One that is switched off stays so."""

    @extend_schema(
        operation_id="disable_alert_channel",
        tags=["Alerts"],
        parameters=[CHANNEL_ID, AccountQuery],
        request=None,
        responses=ChannelSerializer,
    )
    def post(self, request: Request, channel_id: str) -> Response:
        channel = _asked(request, channel_id)
        destinations.switch_off(channel, by=name_of(request))
        return Response(ChannelSerializer(channel_fields(channel)).data)


class RotateSecretView(APIView):
    """Sign with a new secret; the one before it signs as well for a day, so that no delivery is refused."""

    @extend_schema(
        operation_id="rotate_alert_channel_secret",
        tags=["Alerts"],
        parameters=[CHANNEL_ID, AccountQuery],
        request=None,
        responses=RotatedSerializer,
    )
    def post(self, request: Request, channel_id: str) -> Response:
        at = timezone.now()
        secret = destinations.rotate_secret(_asked(request, channel_id), at=at)
        told = {"secret": secret, "previous_works_until": at + destinations.SECRETS_OVERLAP}
        return Response(RotatedSerializer(told).data)


def channel_fields(channel: AlertChannel) -> dict[str, Any]:
    """The fields of `ChannelSerializer`."""
    return {
        "id": channel.pk,
        "kind": channel.kind,
        "name": channel.kind_name,
        "address": channel.label,
        "state": channel.state,
        "disabled_reason": channel.disabled_reason,
        "last_delivered_at": channel.last_delivered_at,
        "signed": channel.kind in CHANNELS and CHANNELS[channel.kind].is_signed,
    }


def asked_fields(channel: AlertChannel, mail: ConfirmationMail | None) -> dict[str, Any]:
    """The fields of `AskedChannelSerializer`."""
    if mail is None:
        return channel_fields(channel)
    confirmation = {"asked_at": mail.asked_at, "sent": mail.sent_at is not None, "error": mail.error}
    return {**channel_fields(channel), "confirmation": confirmation}


def name_of(request: Request) -> str:
    """What the account's people may know of the caller."""
    principal = caller(request)
    if speaks_for_us(principal, permission=PERMISSION):
        return "our staff"
    return of_principal(principal).name


def _asked(request: Request, channel_id: str) -> AlertChannel:
    query = read_query(AccountQuery, request)
    return choices.channel_of(account_changed(request, query.get("user_id")), int(channel_id))
