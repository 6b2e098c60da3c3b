"""What went where and what became of it, and another try. As in customers' log, the inbox is left out."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.utils import display_for_label

from alerts import delivery_log
from alerts.admin.base import AudienceFilter, RowsOfAnybody, address_on, label_of
from alerts.models import AlertDelivery, DeliveryState, UsageAlert
from subscriptions.admin.base import link, minute
from usage.admin import operations
from usage.admin.operations import Operation, Panel

COLOURS = {
    DeliveryState.WAITING.value: "info",
    DeliveryState.SENT.value: "success",
    DeliveryState.PARKED.value: "danger",
}
RETRY = "alerts.change_alertdelivery"
# Of an alert, on its page.
MOST_SHOWN = 100


@admin.register(AlertDelivery)
class DeliveryAdmin(RowsOfAnybody):
    list_display = [
        "created", "alert_title", "whose", "kind", "to", "shown_state", "attempts", "status_code", "error",
        "sent",
    ]  # fmt: skip
    list_display_links = ["alert_title"]
    list_filter = ["state", AudienceFilter]
    list_select_related = ["account", "alert", "channel"]
    fieldsets = [
        (None, {"fields": [("alert_page", "whose_page"), ("channel_page", "to"), "digest"]}),
        ("What became of it", {"fields": [("state", "attempts"), "status_code", "error"]}),
        ("Times (UTC)", {"fields": [("created", "sent"), "next_attempt"]}),
    ]
    readonly_fields = [
        "alert_page", "whose_page", "channel_page", "to", "digest", "created", "sent", "next_attempt",
    ]  # fmt: skip
    actions_detail = ["try_again"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return delivery_log.without_inbox(super().get_queryset(request))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            # Its name, on every page, has the channel's label.
            found.channel.label = address_on(found, found.channel.label)
        return found

    def has_retry_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm(RETRY)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        parked = AlertDelivery.objects.filter(pk=object_id, state=DeliveryState.PARKED).exists()
        return list(super().get_actions_detail(request, object_id)) if parked else []

    @admin.display(description="alert")
    def alert_title(self, delivery: AlertDelivery) -> str:
        return delivery.alert.title

    @admin.display(description="alert")
    def alert_page(self, delivery: AlertDelivery) -> str:
        return link(delivery.alert)

    @admin.display(description="channel")
    def kind(self, delivery: AlertDelivery) -> str:
        return delivery.channel.kind_name

    @admin.display(description="channel")
    def channel_page(self, delivery: AlertDelivery) -> str:
        return link(delivery.channel, delivery.channel.kind_name)

    @admin.display(description="to")
    def to(self, delivery: AlertDelivery) -> str:
        return _destination(delivery, delivery)

    @admin.display(description="part of a digest")
    def digest(self, delivery: AlertDelivery) -> str:
        return "yes" if delivery.is_digest else "no"

    @display(description="state", label=COLOURS)
    def shown_state(self, delivery: AlertDelivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    @admin.display(description="planned (UTC)")
    def created(self, delivery: AlertDelivery) -> str:
        return minute(delivery.created_at)

    @admin.display(description="next attempt (UTC)")
    def next_attempt(self, delivery: AlertDelivery) -> str:
        return minute(delivery.next_attempt_at)

    @admin.display(description="sent (UTC)")
    def sent(self, delivery: AlertDelivery) -> str:
        return minute(delivery.sent_at)

    @action(description="Try again", url_path="try-again", permissions=["retry"])
    def try_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        delivery: AlertDelivery = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            delivery_log.try_again(delivery.account, delivery.pk, at=timezone.now())
            return f"It is tried again. It had failed with: {delivery.error or 'nothing'}"

        operation = Operation(
            title=f"Deliver “{delivery.alert.title}” again",
            explanation=f"{delivery.channel.kind_name} did not take it: {delivery.error or 'nothing'} What "
            "is to blame should be put right first. It goes out under the same id, within a minute.",
            act=act,
            submit="Try again",
        )
        return operations.run(operation, admin=self, request=request, about=delivery)


def panel_of(alert: UsageAlert) -> Panel:
    """The deliveries of an alert that the admin asked for."""
    known = delivery_log.without_inbox(AlertDelivery.objects.filter(alert=alert))
    found = list(known.select_related("channel").order_by("pk")[: MOST_SHOWN + 1])
    more = f"The first {MOST_SHOWN} of them." if len(found) > MOST_SHOWN else ""
    return Panel(
        title="Deliveries",
        headers=["planned (UTC)", "channel", "to", "state", "attempts", "answer", "error"],
        rows=[
            [
                link(each, f"{each.created_at:%Y-%m-%d %H:%M}"),
                each.channel.kind_name,
                _destination(each, alert),
                display_for_label((each.state, each.get_state_display()), "", COLOURS),
                str(each.attempts),
                "" if each.status_code is None else str(each.status_code),
                each.error,
            ]
            for each in found[:MOST_SHOWN]
        ],
        note=more if found else "It went out by no channel.",
    )


def _destination(delivery: AlertDelivery, row: AlertDelivery | UsageAlert) -> str:
    """As whoever asked for `row` reads it."""
    return address_on(row, delivery.recipient) or label_of(delivery.channel, row)
