"""Where alerts go: testing, switching and removing channels, and adding those of our staff."""

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from alerts import adding, choices, destinations, testing
from alerts.admin.base import CHANGE_CHANNELS, OUR_STAFF, AudienceFilter, RowsOfAnybody, address_on, label_of
from alerts.channels import CHANNELS
from alerts.models import AlertChannel, AlertDelivery, ChannelState
from subscriptions.admin.base import LINK, list_page, minute
from subscriptions.admin.forms import ReasonForm
from usage.admin import operations
from usage.admin.base import staff_user
from usage.admin.operations import Operation
from usage.core.errors import Conflict

COLOURS = {
    ChannelState.ACTIVE.value: "success",
    ChannelState.UNCONFIRMED.value: "info",
    ChannelState.DISABLED.value: "danger",
}
ADD, REMOVE = "alerts.add_alertchannel", "alerts.delete_alertchannel"
LONGEST_ADDRESS = 2_000


class NewChannelForm(forms.Form):
    """A kind of channel and where it leads to."""

    kind = forms.ChoiceField(
        choices=lambda: [(each.key, each.name) for each in choices.kinds_to_add()],
        widget=UnfoldAdminSelectWidget,
    )
    address = forms.CharField(
        max_length=LONGEST_ADDRESS,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="An email address, or a URL. It is kept sealed.",
    )


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(channel.key, channel.name) for channel in CHANNELS.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() in CHANNELS else queryset


@admin.register(AlertChannel)
class ChannelAdmin(RowsOfAnybody):
    """Of an address people see its label; it and the secrets are in no field of any page."""

    list_display = [
        "kind_name", "shown_label", "whose", "shown_state", "disabled_reason", "failing", "delivered",
        "created",
    ]  # fmt: skip
    list_display_links = ["kind_name", "shown_label"]
    list_filter = [KindFilter, "state", AudienceFilter]
    fieldsets = [
        (None, {"fields": [("kind_name", "shown_label"), ("whose_page", "created_by")]}),
        ("How it goes", {"fields": [("state", "failing"), "disabled_reason", "log"]}),
        ("Times (UTC)", {"fields": [("created", "delivered")]}),
    ]
    readonly_fields = [
        "kind_name", "shown_label", "whose_page", "failing", "log", "created", "delivered",
    ]  # fmt: skip
    actions_detail = ["send_test", "switch_off", "switch_on", "remove"]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            # Its name, on every page, has the label.
            found.label = address_on(found, found.label)
        return found

    # --- Who may ---

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(ADD)

    def has_switch_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm(CHANGE_CHANNELS)

    def has_remove_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm(REMOVE)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what can be done to it as it stands."""
        channel = AlertChannel.objects.filter(pk=object_id).first()
        if channel is None:
            return []
        possible = _possible(channel)
        return [each for each in super().get_actions_detail(request, object_id) if each.path in possible]

    # --- Columns ---

    @admin.display(description="kind")
    def kind_name(self, channel: AlertChannel) -> str:
        return channel.kind_name

    @admin.display(description="leads to")
    def shown_label(self, channel: AlertChannel) -> str:
        return label_of(channel, channel)

    @display(description="state", label=COLOURS)
    def shown_state(self, channel: AlertChannel) -> tuple[str, str]:
        return channel.state, channel.get_state_display()

    @admin.display(description="failing since (UTC)")
    def failing(self, channel: AlertChannel) -> str:
        return minute(channel.failing_since)

    @admin.display(description="last delivered (UTC)")
    def delivered(self, channel: AlertChannel) -> str:
        return minute(channel.last_delivered_at)

    @admin.display(description="added (UTC)")
    def created(self, channel: AlertChannel) -> str:
        return minute(channel.created_at)

    @admin.display(description="deliveries")
    def log(self, channel: AlertChannel) -> str:
        return format_html(LINK, _log_of(channel), "What went there")

    # --- Buttons ---

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            return cast(HttpResponse, super().add_view(request, form_url, extra_context))

        def act(cleaned: Mapping[str, Any]) -> str:
            by = staff_user(request).get_username()
            channel, secret = destinations.add(None, **cleaned, at=timezone.now(), by=by)
            self.log_addition(request, channel, "Added for our staff.")
            if secret:
                messages.warning(
                    request,
                    f"Its secret is {secret} — copy it now to where signatures are checked: it is not shown "
                    "again.",
                )
            return f"What our staff are told goes to {channel}, from the next alert on. Send it a test."

        operation = Operation(
            title="Add a channel for our staff",
            explanation="What our staff are told goes there: held prices, totals that drifted, tasks that "
            "fail, what Stripe refused. An email address needs no confirmation.",
            form=NewChannelForm,
            act=act,
            submit="Add",
        )
        return operations.run(operation, admin=self, request=request)

    @action(description="Send a test", url_path="send-test", permissions=["switch"])
    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel: AlertChannel = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            testing.send_test(channel, at=timezone.now())
            return "A test is on its way. The log of deliveries shows what becomes of it."

        operation = Operation(
            title=f"Send a test to {channel}",
            explanation="It goes to this channel alone, and is in no inbox.",
            act=act,
            submit="Send",
            done=_log_of(channel),
        )
        return operations.run(operation, admin=self, request=request, about=channel)

    @action(description="Switch off", url_path="switch-off", permissions=["switch"])
    def switch_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel: AlertChannel = operations.found(self, request, object_id)

        def act(cleaned: Mapping[str, Any]) -> str:
            if not destinations.switch_off(channel, by=OUR_STAFF, reason=cleaned["reason"]):
                raise Conflict("It is switched off already.", code="channel_is_off")
            return f"Switched off. {cleaned['reason']}"

        operation = Operation(
            title=f"Switch off {channel}",
            explanation="Nothing is delivered there any more, and what waits for it is given up. Whoever has "
            "the channel reads the reason.",
            form=ReasonForm,
            act=act,
            submit="Switch off",
            is_dangerous=True,
        )
        return operations.run(operation, admin=self, request=request, about=channel)

    @action(description="Switch on", url_path="switch-on", permissions=["switch"])
    def switch_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel: AlertChannel = operations.found(self, request, object_id)
        reason = channel.disabled_reason

        def act(_: Any) -> str:
            if channel.state == ChannelState.ACTIVE:
                raise Conflict("It is switched on already.", code="channel_is_on")
            at = timezone.now()
            mail = adding.switch_on(channel, at=at, by=OUR_STAFF)
            if mail is None:
                return f"Switched on. It was off with: {reason}"
            transaction.on_commit(partial(adding.send, [mail], at=at))
            return f"Its owner is asked by email, and confirms it first. It was off with: {reason}"

        operation = Operation(
            title=f"Switch on {channel}",
            explanation=f"It delivers from the next alert on. It is off with: {reason or 'nothing'}",
            act=act,
            submit="Switch on",
        )
        return operations.run(operation, admin=self, request=request, about=channel)

    @action(description="Remove", url_path="remove", permissions=["remove"])
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel: AlertChannel = operations.found(self, request, object_id)

        @transaction.atomic
        def act(cleaned: Mapping[str, Any]) -> str:
            # Before it is gone, for its history is kept by its id.
            LogEntry.objects.log_actions(
                user_id=staff_user(request).pk,
                queryset=[channel],
                action_flag=DELETION,
                change_message=f"Removed. {cleaned['reason']}",
                single_object=True,
            )
            destinations.remove(channel)
            return "The channel is removed."

        operation = Operation(
            title=f"Remove {channel} of {channel.account or OUR_STAFF}",
            explanation="With the log of what was delivered to it. To stop it for a while, switch it off.",
            form=ReasonForm,
            act=act,
            submit="Remove",
            is_dangerous=True,
        )
        return operations.run(operation, admin=self, request=request)


def _possible(channel: AlertChannel) -> set[str]:
    """The paths of the buttons that its state allows."""
    kind, is_added = CHANNELS.get(channel.kind), destinations.has_address(channel)
    is_off = channel.state == ChannelState.DISABLED
    checks = {
        "send-test": channel.state == ChannelState.ACTIVE and kind is not None and not kind.is_instant,
        "switch-off": is_added and not is_off,
        "switch-on": is_off,
        "remove": is_added,
    }
    return {path for path, is_possible in checks.items() if is_possible}


def _log_of(channel: AlertChannel) -> str:
    return list_page(AlertDelivery, channel__id__exact=channel.pk)
