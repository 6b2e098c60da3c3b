"""Files to download: calls, totals, charges in the FOCUS format. Each is sent while it is made."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import get_args

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from alwrity_billing.dashboard.calls_forms import CallsCsvForm
from alwrity_billing.dashboard.date_ranges import DaysForm
from alwrity_billing.dashboard.visits import Visit, account_page
from usage import exports, focus
from usage.analytics import LONGEST_KEY, Dimension, Selection
from usage.exports import MAX_TOTAL_DAYS
from usage.models import Account
from usage.queries import Interval

INTERVALS = get_args(Interval)


class SelectionForm(DaysForm):
    """Which usage to tell: days, and for each dimension the one value that is picked; a model as
    "provider/model". As on the usage page, a parameter that is there and empty picks calls that do not tell.
    """

    max_days = MAX_TOTAL_DAYS

    def __init__(self, *arguments: object, at: datetime) -> None:
        super().__init__(*arguments, at=at)  # type: ignore[arg-type]
        self.fields |= {
            dimension.value: forms.CharField(max_length=LONGEST_KEY, required=False)
            for dimension in Dimension
        }

    def selection(self, account: Account) -> Selection:
        """What a valid form picks of the account's usage."""
        picked = {dimension: self.cleaned_data[dimension.value] for dimension in Dimension}
        return Selection(
            account=account,
            start=self.days.start,
            end=self.days.end,
            only={dimension: value for dimension, value in picked.items() if dimension.value in self.asked},
        )


class UsageForm(SelectionForm):
    """The same by `interval` (day) and `by` (provider)."""

    interval = forms.ChoiceField(
        choices=[(each, each) for each in INTERVALS],
        required=False,
        error_messages={"invalid_choice": f"Choose one of {', '.join(INTERVALS)}."},
    )
    by = forms.ChoiceField(
        choices=[(each.value, each.value) for each in Dimension],
        required=False,
        error_messages={"invalid_choice": f"Choose one of {', '.join(Dimension)}."},
    )


@require_safe
@account_page
def calls_csv(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The calls that the log's page shows under the same filters, on all its pages."""
    form = CallsCsvForm(request.GET, at=visit.at)
    return _answer(form, visit, "calls", lambda: exports.calls_csv(form.question(visit.account, at=visit.at)))


@require_safe
@account_page
def usage_csv(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Totals by interval and dimension."""
    form = UsageForm(request.GET, at=visit.at)

    def lines() -> Iterator[bytes]:
        asked = form.cleaned_data
        interval: Interval = asked["interval"] or "day"
        by = Dimension(asked["by"] or Dimension.PROVIDER)
        return exports.usage_csv(form.selection(visit.account), interval=interval, by=by)

    return _answer(form, visit, "usage", lines)


@require_safe
@account_page
def usage_focus(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Daily charges in the FOCUS format."""
    form = SelectionForm(request.GET, at=visit.at)
    seller = str(settings.INVOICE_SELLER["name"])
    return _answer(
        form, visit, "focus", lambda: focus.focus_csv(form.selection(visit.account), seller=seller)
    )


def _answer(form: DaysForm, visit: Visit, what: str, lines: Callable[[], Iterator[bytes]]) -> HttpResponse:
    """The file, or in plain words what is wrong with the address."""
    if not form.is_valid():
        return HttpResponse(f"{form.message}\n", status=400, content_type="text/plain; charset=utf-8")
    days = form.days
    name = f"{visit.account.external_id}-{what}-{days.first}-{days.last}.csv"
    return StreamingHttpResponse(  # type: ignore[return-value]  # views of pages answer with either
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": content_disposition_header(as_attachment=True, filename=name)},
    )
