"""The price book, to which staff add rows, and held prices, about which they decide."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminErrorList
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.forms import AdminForm
from unfold.widgets import UnfoldAdminSelectWidget

from usage import price_preview, pricebook
from usage.admin.base import ActionAdmin, ProjectAdmin, staff_user
from usage.admin.price_pages import ModelPricesView, address_of_model, shown_preview
from usage.core.errors import InvalidRequest
from usage.core.money import format_amount
from usage.core.rating import rates_from_json, tiers_from_json
from usage.models import APIProviderPricing, HeldPrice
from usage.models.prices import PriceColumns
from usage.pricebook import RATE_COLUMNS
from usage.providers import PROVIDERS

MILLION = 1_000_000
UNIT_PRICE_COLUMNS = [column for column in RATE_COLUMNS if column.startswith("cost_per_")]
PRICES_TAKEN = "State at least one unit price, none of them negative; 0 is free of charge."
TIERS_FORM = 'a list such as [{"above_input_tokens": 200000, "input": "0.0000025", "output": "0.000015"}]'
PREVIEW_BUTTON = "_preview"
BATCH_FORM = 'an object such as {"input": "0.000000625", "output": "0.000005"}, with "tiers" where it has any'


class AddPriceForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A new row of the book. Reports in words what the table or the rating would refuse."""

    provider = forms.ChoiceField(
        choices=[(key, key) for key in PROVIDERS],
        # unfold styles its own widgets only.
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = APIProviderPricing
        fields = ["provider", "model_name", "effective_from", *RATE_COLUMNS, "description"]
        error_messages = {
            NON_FIELD_ERRORS: {
                # The code of check constraints; the table has one.
                None: PRICES_TAKEN,
                "unique_together": "This model has a price from that instant already: choose another one.",
            }
        }

    def clean_tiers(self) -> Any:
        return _checked(self.cleaned_data["tiers"] or [], tiers_from_json, form=TIERS_FORM)

    def clean_batch(self) -> Any:
        batch = self.cleaned_data["batch"]
        return None if batch is None else _checked(batch, rates_from_json, form=BATCH_FORM)


def _checked(value: Any, read: Callable[[Any], object], *, form: str) -> Any:
    """`value` when `read` can read it; ValidationError says what is wrong and what is taken."""
    try:
        read(value)
    except ValueError as wrong:
        raise ValidationError(f"This cannot be read: {wrong}. It takes {form}.") from wrong
    except (AttributeError, TypeError) as wrong:
        raise ValidationError(f"It takes {form}.") from wrong
    return value


@admin.register(APIProviderPricing)
class PriceAdmin(ProjectAdmin):
    """Append-only: a row is added and never touched again; a correction is a new row."""

    list_per_page = 25
    list_display = [
        "provider",
        "model_name",
        "effective_from",
        "input_per_million",
        "output_per_million",
        "source",
        "history",
    ]
    list_filter = ["provider", "source"]
    search_fields = ["model_name", "description"]
    date_hierarchy = "effective_from"
    form = AddPriceForm
    fieldsets = [
        (None, {"fields": ["provider", "model_name", "effective_from", "description"]}),
        ("USD per single unit", {"fields": UNIT_PRICE_COLUMNS}),
        ("Long-context tiers and batch rates", {"fields": ["tiers", "batch"]}),
    ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(ModelPricesView.as_view(model_admin=self))
        own = [path("model/", view, name="usage_apiproviderpricing_model")]
        return own + cast("list[URLPattern]", super().get_urls())

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method == "POST" and PREVIEW_BUTTON in request.POST:
            return self._preview(request)
        return cast(HttpResponse, super().add_view(request, form_url, extra_context))

    def _preview(self, request: HttpRequest) -> HttpResponse:
        """The form as it was sent, and above it what last month would have cost; nothing is saved.

        The form's page is put together here, since Django's own way saves whatever is valid.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self.get_form(request, change=False)(request.POST)
        shown = {}
        if form.is_valid():
            draft = pricebook.price_of(form.instance)
            shown = shown_preview(price_preview.preview(draft, at=timezone.now()))
        page = AdminForm(form, list(self.get_fieldsets(request)), {}, (), model_admin=self)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Add {self.opts.verbose_name}",
            "subtitle": None,
            "adminform": page,
            "original": None,
            "is_popup": False,
            "media": self.media + page.media,
            "inline_admin_formsets": [],
            "errors": AdminErrorList(form, []),
            "preserved_filters": self.get_preserved_filters(request),
            **shown,
        }
        return cast(HttpResponse, self.render_change_form(request, context, add=True))

    def has_change_permission(self, request: HttpRequest, obj: APIProviderPricing | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: APIProviderPricing | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: APIProviderPricing, form: Any, change: bool) -> None:
        columns = {name: form.cleaned_data[name] for name in AddPriceForm.Meta.fields}
        row = pricebook.add(by=staff_user(request), at=timezone.now(), **columns)
        obj.pk, obj.source = row.pk, row.source

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> str:
        before = _price_before(form.instance)
        return f"Added. Before: {spell_rates(before)}. From now on: {spell_rates(form.instance)}."

    @admin.display(description="input / 1M")
    def input_per_million(self, price: APIProviderPricing) -> str | None:
        return _per_million(price.cost_per_input_token)

    @admin.display(description="output / 1M")
    def output_per_million(self, price: APIProviderPricing) -> str | None:
        return _per_million(price.cost_per_output_token)

    @admin.display(description="history")
    def history(self, price: APIProviderPricing) -> str:
        return format_html('<a href="{}">all dates</a>', address_of_model(price.provider, price.model_name))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "model_name" or bool(super().lookup_allowed(lookup, value, request))


@admin.register(HeldPrice)
class HeldPriceAdmin(ActionAdmin):
    """A refreshed price that moved too far: confirmed into the book, or discarded."""

    list_display = ["provider", "model_name", "effective_from", "reason", "state", "decided_by"]
    list_filter = ["state", "provider"]
    search_fields = ["model_name"]
    fields = [
        "provider",
        "model_name",
        "effective_from",
        "reason",
        "comparison",
        "source",
        "source_version",
        "state",
        "decided_at",
        "decided_by",
    ]
    actions = ["confirm_chosen", "discard_chosen"]
    actions_submit_line = ["confirm_this", "discard_this"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="in the book → held")
    def comparison(self, held: HeldPrice) -> str:
        before = _price_before(held)
        changes = [
            (column, _spell(getattr(before, column, None)), _spell(getattr(held, column)))
            for column in RATE_COLUMNS
            if getattr(before, column, None) != getattr(held, column)
        ]
        return format_html_join("", "<div>{}: {} → {}</div>", changes)

    @admin.action(description="Confirm the chosen prices", permissions=["change"])
    def confirm_chosen(self, request: HttpRequest, chosen: QuerySet[HeldPrice]) -> None:
        for held in chosen:
            self.confirm_this(request, held)

    @admin.action(description="Discard the chosen prices", permissions=["change"])
    def discard_chosen(self, request: HttpRequest, chosen: QuerySet[HeldPrice]) -> None:
        for held in chosen:
            self.discard_this(request, held)

    @admin.action(description="Confirm into the price book", permissions=["change"])
    def confirm_this(self, request: HttpRequest, held: HeldPrice) -> None:
        before = spell_rates(_price_before(held))
        try:
            row = pricebook.confirm(held, by=staff_user(request), at=timezone.now())
        except InvalidRequest as refused:
            messages.error(request, f"{held}: {refused.message}")
            return
        change = f"Before: {before}. From {row.effective_from:%Y-%m-%d %H:%M} UTC: {spell_rates(row)}."
        self.log_change(request, held, f"Confirmed. {change}")
        messages.success(request, f"{row} is in the price book.")

    @admin.action(description="Discard", permissions=["change"])
    def discard_this(self, request: HttpRequest, held: HeldPrice) -> None:
        try:
            pricebook.discard(held, by=staff_user(request), at=timezone.now())
        except InvalidRequest as refused:
            messages.error(request, f"{held}: {refused.message}")
            return
        kept = spell_rates(_price_before(held))
        self.log_change(request, held, f"Discarded {spell_rates(held)}. The book keeps: {kept}.")
        messages.success(request, f"{held.provider}/{held.model_name}: the held price is discarded.")


def spell_rates(price: PriceColumns | None) -> str:
    """Every rate of `price` by its column's name, for the audit log; "no price" when there is none."""
    if price is None:
        return "no price"
    rates = {column: getattr(price, column) for column in RATE_COLUMNS}
    return ", ".join(f"{column} {_spell(rate)}" for column, rate in rates.items() if rate not in (None, []))


def _price_before(price: PriceColumns) -> APIProviderPricing | None:
    """The row of the same model in force when `price` starts."""
    earlier = APIProviderPricing.objects.filter(
        provider=price.provider, model_name=price.model_name, effective_from__lt=price.effective_from
    )
    return earlier.order_by("-effective_from").first()


def _spell(rate: Any) -> str:
    if rate is None:
        return "none"
    return format_amount(rate) if hasattr(rate, "as_tuple") else str(rate)


def _per_million(price: Any) -> str | None:
    return None if price is None else format_amount(price * MILLION)
