"""Whom invoices go to and which card pays them, and what was heard from Stripe."""

import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import action, display

from subscriptions import billing_profiles
from subscriptions.actors import of_user
from subscriptions.admin.base import SETTLE, RowsOfAccounts, minute
from subscriptions.admin.filters import ConditionFilter
from subscriptions.admin.forms import ReasonForm
from subscriptions.admin.money_forms import NewProfileForm, ProfileForm
from subscriptions.admin.payments import ParkedFilter
from subscriptions.admin.pushes import is_parked, push_again
from subscriptions.billing_profiles import ADDRESS_PARTS
from subscriptions.models import BillingProfile, StripeEvent, StripeEventState
from subscriptions.stripe import inbox
from usage.admin import operations
from usage.admin.base import staff_user
from usage.admin.operations import Operation
from usage.core.errors import Conflict

MAX_BODY = 100_000
# Whoever has one may confirm the payment it is of, or save a card in it.
SECRET = re.compile(r'("client_secret"\s*:\s*")[^"]*')
EVENT_COLOURS = {
    StripeEventState.RECEIVED.value: "info",
    StripeEventState.DONE.value: "success",
    StripeEventState.PARKED.value: "danger",
}


class HoldFilter(ConditionFilter):
    title = "card"
    parameter_name = "card"
    conditions = {
        "held": ("Held back", ~Q(hold_reason="")),
        "none": ("None", Q(payment_method_id="")),
    }


@admin.register(BillingProfile)
class ProfileAdmin(RowsOfAccounts):
    list_display = ["account", "name", "email", "card", "hold_reason", "push_error", "updated"]
    list_filter = [HoldFilter, ParkedFilter]
    named_by = ["stripe_customer_id"]
    search_help_text = "The account's name or id, or Stripe's customer"
    fieldsets = [
        (None, {"fields": [("account", "name"), ("email", "tax_id"), "shown_address"]}),
        ("Card", {"fields": [("card", "card_expires"), "hold_reason"]}),
        (
            "At Stripe",
            {"fields": [("stripe_customer_id", "updated"), ("pushed", "push_attempts"), "push_error"]},
        ),
    ]
    readonly_fields = ["shown_address", "card", "card_expires", "updated", "pushed"]
    actions_detail = ["edit", "push_again", "lift_hold"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_settle_permission(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            return cast(HttpResponse, super().add_view(request, form_url, extra_context))

        def act(cleaned: Mapping[str, Any]) -> str:
            account = cleaned["account"]
            if BillingProfile.objects.filter(account=account).exists():
                raise Conflict("account: it has a billing profile, edit that one.", code="profile_exists")
            made = billing_profiles.change(**cleaned, at=timezone.now(), by=of_user(staff_user(request)))
            told = f"Invoices of {account} go to {_whom(made)}."
            self.log_addition(request, made, told)
            return told

        return operations.run(
            Operation(
                title="Say whom invoices go to",
                explanation="From the next one on: invoices that are final keep what they say.",
                form=NewProfileForm,
                initial=request.GET.dict(),
                act=act,
                submit="Save",
            ),
            admin=self,
            request=request,
        )

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        profile = BillingProfile.objects.filter(pk=object_id).first()
        if profile is None:
            return []
        possible = {"edit": True, "push-again": is_parked(profile), "lift-hold": bool(profile.hold_reason)}
        return [each for each in super().get_actions_detail(request, object_id) if possible[each.path]]

    @admin.display(description="card")
    def card(self, profile: BillingProfile) -> str:
        return f"{profile.card_brand} {profile.card_last4}".strip() if profile.has_card else "none"

    @admin.display(description="expires")
    def card_expires(self, profile: BillingProfile) -> str:
        known = profile.card_exp_month is not None and profile.card_exp_year is not None
        return f"{profile.card_exp_year}-{profile.card_exp_month:02}" if known else ""

    @admin.display(description="address")
    def shown_address(self, profile: BillingProfile) -> str:
        return ", ".join(profile.address[part] for part in ADDRESS_PARTS if profile.address.get(part))

    @admin.display(description="changed (UTC)", ordering="updated_at")
    def updated(self, profile: BillingProfile) -> str:
        return minute(profile.updated_at)

    @admin.display(description="next push (UTC)")
    def pushed(self, profile: BillingProfile) -> str:
        return minute(profile.push_at)

    @action(description="Edit", url_path="edit", permissions=SETTLE)
    def edit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        profile: BillingProfile = operations.found(self, request, object_id)

        def act(cleaned: Mapping[str, Any]) -> str:
            changed = billing_profiles.change(
                profile.account, **cleaned, at=timezone.now(), by=of_user(staff_user(request))
            )
            return f"Invoices of {profile.account} went to {_whom(profile)}; now to {_whom(changed)}."

        known = {"name": profile.name, "email": profile.email, "tax_id": profile.tax_id}
        return operations.run(
            Operation(
                title=f"Whom invoices of {profile.account} go to",
                explanation="From the next one on: invoices that are final keep what they say.",
                form=ProfileForm,
                initial={**profile.address, **known},
                act=act,
                submit="Save",
            ),
            admin=self,
            request=request,
            about=profile,
        )

    @action(description="Push to Stripe again", url_path="push-again", permissions=SETTLE)
    def push_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        profile: BillingProfile = operations.found(self, request, object_id)
        operation = push_again(profile, f"the billing profile of {profile.account}")
        return operations.run(operation, admin=self, request=request, about=profile)

    @action(description="Let the card be charged", url_path="lift-hold", permissions=SETTLE)
    def lift_hold(self, request: HttpRequest, object_id: str) -> HttpResponse:
        profile: BillingProfile = operations.found(self, request, object_id)

        def act(cleaned: Mapping[str, Any]) -> str:
            billing_profiles.lift_hold(
                profile, reason=cleaned["reason"], at=timezone.now(), by=of_user(staff_user(request))
            )
            return f"The card of {profile.account} may be charged again. {cleaned['reason']}"

        return operations.run(
            Operation(
                title=f"Let the card of {profile.account} be charged again",
                explanation=f"It is held back: {profile.hold_reason}",
                form=ReasonForm,
                act=act,
                submit="Lift the hold",
                is_dangerous=True,
            ),
            admin=self,
            request=request,
            about=profile,
        )


@admin.register(StripeEvent)
class StripeEventAdmin(RowsOfAccounts):
    """What Stripe told, as it came."""

    list_display = ["event_id", "type", "object_id", "shown_state", "received", "attempts", "error"]
    list_filter = ["state"]
    list_select_related = False
    ordering = ["-received_at"]
    search_help_text = "Id of the event"
    fieldsets = [
        (None, {"fields": [("event_id", "type"), ("object_id", "livemode"), ("state", "attempts")]}),
        ("Times (UTC)", {"fields": [("happened", "received"), ("next_attempt", "processed")]}),
        (None, {"fields": ["error", "shown_body"]}),
    ]
    readonly_fields = ["happened", "received", "next_attempt", "processed", "shown_body"]
    actions_detail = ["run_again"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(pk=term) if term else queryset), False

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        parked = StripeEvent.objects.filter(pk=object_id, state=StripeEventState.PARKED).exists()
        return list(super().get_actions_detail(request, object_id)) if parked else []

    @display(description="state", ordering="state", label=EVENT_COLOURS)
    def shown_state(self, event: StripeEvent) -> tuple[str, str]:
        return event.state, event.get_state_display()

    @admin.display(description="happened")
    def happened(self, event: StripeEvent) -> str:
        return minute(event.created_at)

    @admin.display(description="received (UTC)", ordering="received_at")
    def received(self, event: StripeEvent) -> str:
        return minute(event.received_at)

    @admin.display(description="next attempt")
    def next_attempt(self, event: StripeEvent) -> str:
        return minute(event.next_attempt_at)

    @admin.display(description="processed")
    def processed(self, event: StripeEvent) -> str:
        return minute(event.processed_at)

    @admin.display(description="body")
    def shown_body(self, event: StripeEvent) -> str:
        return format_html(
            '<pre class="font-mono overflow-x-auto text-xs whitespace-pre-wrap break-all">{}</pre>',
            SECRET.sub(r"\1[removed]", _pretty(event.body)),
        )

    @action(description="Run again", url_path="run-again", permissions=SETTLE)
    def run_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        event: StripeEvent = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            inbox.run_again(event, at=timezone.now())
            return f"The next run processes {event} again. It had failed with: {event.error}"

        operation = Operation(
            title=f"Run {event} again",
            explanation=f"It was given up after {event.attempts} attempts, last with: {event.error}. What it "
            "is about is fetched from Stripe as it stands now, so that running it twice does no harm.",
            act=act,
            submit="Run again",
        )
        return operations.run(operation, admin=self, request=request, about=event)


def _whom(profile: BillingProfile) -> str:
    """The profile in words."""
    address = ", ".join(profile.address[part] for part in ADDRESS_PARTS if profile.address.get(part))
    parts = [profile.name or profile.account.name, profile.email, address, profile.tax_id]
    return ", ".join(part for part in parts if part)


def _pretty(body: str) -> str:
    """A JSON body indented; one that is none, or that is too long to be read, as it came."""
    if len(body) > MAX_BODY:
        return body[:MAX_BODY]
    try:
        return msgspec.json.format(body)
    except msgspec.DecodeError:
        return body
