"""How the admin shows a model's prices through time, and what a draft price would have cost."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView
from unfold.views import UnfoldModelAdminViewMixin

from usage.core.money import format_amount
from usage.core.price_changes import Change, Line
from usage.core.rating import Quantities
from usage.models import APIProviderPricing, HeldPrice
from usage.price_history import DatedPrice, Standing, dated_prices, waiting_prices
from usage.price_lists import ALWAYS
from usage.price_preview import Difference, LeftOut, Preview

MILLION = 1_000_000
TENTH = Decimal("0.1")
COLOURS = {Standing.PAST: "default", Standing.IN_FORCE: "success", Standing.FUTURE: "info"}
REASONS = {
    LeftOut.OWN_KEY: "Paid with the customer's own provider key",
    LeftOut.REPORTED: "Cost reported by the provider or the sender",
    LeftOut.NOTHING_STATED: "Failed, and stated nothing that was consumed",
    LeftOut.NO_PRICE: "Rated by no price of the book",
    LeftOut.OTHER_MODEL: "Answered by another model, at that model's price",
}


def address_of_model(provider: str, model_name: str) -> str:
    """The page with every dated price of the model."""
    query = urlencode({"provider": provider, "model_name": model_name})
    return f"{reverse('admin:usage_apiproviderpricing_model')}?{query}"


class ModelPricesView(UnfoldModelAdminViewMixin, TemplateView):  # type: ignore[misc]  # unfold has no types
    """Every dated price of one provider's model, oldest first, each against the one before it."""

    template_name = "admin/usage/apiproviderpricing/model.html"
    permission_required = "usage.view_apiproviderpricing"

    @property
    def title(self) -> str:
        return f"Prices of {self.request.GET.get('provider')}/{self.request.GET.get('model_name')}"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        model = {name: self.request.GET.get(name, "") for name in ("provider", "model_name")}
        prices = dated_prices(**model, at=timezone.now())
        waiting = waiting_prices(**model)
        if not prices and not waiting:
            raise Http404("The price book has no such model.")
        may_decide = self.request.user.has_perm("usage.view_heldprice")
        return super().get_context_data(
            **kwargs,
            **model,
            opts=self.model_admin.opts,
            prices=[_shown_price(price) for price in prices],
            waiting=[_shown_held(held, linked=may_decide) for held in waiting],
            add_address=f"{reverse('admin:usage_apiproviderpricing_add')}?{urlencode(model)}",
            may_add=self.model_admin.has_add_permission(self.request),
        )


def shown_preview(preview: Preview) -> dict[str, Any]:
    """What the template of the add form shows of `preview`."""
    return {
        "preview": preview,
        "preview_figures": _figures(preview),
        "preview_unpriced": ", ".join(preview.unpriced),
        "preview_accounts": {
            "headers": ["Account", "Calls", "As rated, USD", "At this price, USD", "Difference, USD"],
            "rows": [
                [
                    f"{each.account.name} ({each.account.external_id})",
                    f"{each.difference.calls:,}",
                    *_costs(each.difference),
                ]
                for each in preview.accounts
            ],
        },
        "preview_untouched": {
            "headers": ["Not rated again", "Calls", "Cost as it stands, USD"],
            "rows": [
                [REASONS[each.reason], f"{each.calls:,}", _usd(each.cost)] for each in preview.untouched
            ],
        },
    }


def _costs(difference: Difference) -> list[str]:
    moved = _signed(difference.usd)
    if difference.percent is not None:
        moved += f" ({_percent(difference.percent)})"
    return [_usd(difference.before), _usd(difference.after), moved]


def _figures(preview: Preview) -> list[tuple[str, str, str]]:
    """Each a label, a value, and what stands beside it."""
    total = preview.total
    consumed = ", ".join(_consumed(preview.quantities))
    return [
        ("As rated, USD", _usd(total.before), ""),
        ("At this price, USD", _usd(total.after), ""),
        ("Difference, USD", _signed(total.usd), "" if total.percent is None else _percent(total.percent)),
        ("Calls rated again", f"{total.calls:,}", consumed),
    ]


def _consumed(quantities: Quantities) -> list[str]:
    """The quantities that are any, in words: "1,000 input tokens"."""
    return [
        f"{_usd(Decimal(amount))} {name.replace('_', ' ')}"
        for name, amount in quantities._asdict().items()
        if amount
    ]


def _shown_price(price: DatedPrice) -> dict[str, Any]:
    row = price.row
    return {
        "row": row,
        "from": "Always" if row.effective_from == ALWAYS else _instant(row.effective_from),
        "to": "until a later price" if price.until is None else f"{_instant(price.until)} UTC",
        "standing": price.standing.value,
        "colour": COLOURS[price.standing],
        "origin": _origin(row),
        "address": reverse("admin:usage_apiproviderpricing_change", args=[row.pk]),
        "table": {
            "headers": ["Price", "USD", *([] if price.is_first else ["Before → after"])],
            "rows": [_shown_line(line, is_first=price.is_first) for line in price.lines],
        },
    }


def _origin(row: APIProviderPricing) -> str:
    source = " ".join(filter(None, [row.get_source_display(), row.source_version]))
    person = f"added by {row.created_by.get_username()}" if row.created_by else "loaded"
    described = f"{row.description} · " if row.description else ""
    return f"{described}{source}, {person} on {_instant(row.created_at)} UTC"


def _instant(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M}"


def _shown_line(change: Change, *, is_first: bool) -> list[str]:
    per, count = _unit(change.line)
    before, after = (
        "none" if amount is None else format_amount(amount * count)
        for amount in (change.before, change.after)
    )
    price = "none" if change.after is None else f"{after} per {per}"
    if not change.is_stated and change.after is not None:
        price += " (no rate of its own)"
    line = [_name(change.line), price]
    return line if is_first else [*line, _moved(before, after, change.percent) if change.moved else "–"]


def _moved(before: str, after: str, percent: Decimal | None) -> str:
    return f"{before} → {after}" if percent is None else f"{before} → {after} ({_percent(percent)})"


def _shown_held(held: HeldPrice, *, linked: bool) -> dict[str, Any]:
    address = reverse("admin:usage_heldprice_change", args=[held.pk]) if linked else ""
    return {"held": held, "address": address}


def _name(line: Line) -> str:
    """ "Batch: cached input above 200,000 input tokens"."""
    name = line.name.replace("_", " ")
    name = (
        f"{name} above {line.above_input_tokens:,} input tokens"
        if line.above_input_tokens is not None
        else name
    )
    return f"Batch: {name}" if line.batch else name.capitalize()


def _unit(line: Line) -> tuple[str, int]:
    """What the shown price is for, and how many single units that is."""
    return ("1M tokens", MILLION) if line.is_per_token else (line.name, 1)


def _usd(amount: Decimal) -> str:
    """Every digit of `amount`, thousands apart."""
    text = f"{amount:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _signed(amount: Decimal) -> str:
    sign = "+" if amount > 0 else "−" if amount < 0 else ""
    return f"{sign}{_usd(amount.copy_abs())}"


def _percent(percent: Decimal) -> str:
    """To a tenth of a percent."""
    return f"{_signed(percent.quantize(TENTH, rounding=ROUND_HALF_EVEN))} %"
