"""The usage log, to look at: an account first, then a range of time, newest calls first, never counted."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.views import ChangeList

from usage import browsing
from usage.admin.base import ReadOnlyAdmin
from usage.admin.log_filters import (
    BEFORE,
    AccountFilter,
    ModelFilter,
    ProviderFilter,
    RequestTypeFilter,
    StatusFilter,
    TimeFilter,
)
from usage.admin.prices import spell_rates
from usage.browsing import LARGEST_ID, Place, Question
from usage.core.money import format_amount
from usage.models import Account, APIProviderPricing, APIUsageLog, Authorization, BillingPeriod
from usage.providers import name_of

PER_PAGE = 50
CHANGE_PAGE = "admin:usage_apiusagelog_change"
QUANTITIES = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "requests",
    "searches",
    "images",
    "pages",
    "seconds",
    "characters",
)
TRANSPORT = ("response_time", "request_size", "response_size", "retry_count")
TAGS = ("team", "project", "department", "end_user")


class LogChangeList(ChangeList):  # type: ignore[misc]  # unfold has no types
    """A page of the log as `usage.browsing` reads it, in place of Django's numbered and counted ones."""

    question: Question | None
    page: browsing.Page

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[APIUsageLog]:
        rows: QuerySet[APIUsageLog] = super().get_queryset(request, exclude_parameters)
        # Addresses made from here on, such as a search, begin with the newest calls.
        self.filter_params.pop(BEFORE, None)
        return rows

    def get_results(self, request: HttpRequest) -> None:
        self.question = self._question()
        nothing = browsing.Page(rows=[], older=None)
        self.page = nothing if self.question is None else browsing.page(self.question, limit=PER_PAGE)
        self.result_list = self.page.rows
        # Equal, so that the page's head does not offer to show all.
        self.result_count = self.full_result_count = len(self.page.rows)
        self.show_full_result_count = self.show_admin_actions = False
        self.can_show_all = self.multi_page = False
        self.paginator = Paginator(self.page.rows, PER_PAGE)

    def _question(self) -> Question | None:
        """What the filters and the search ask for together; None while no account is chosen."""
        filters = {type(spec): spec for spec in self.filter_specs}
        account: Account | None = filters[AccountFilter].account
        if account is None:
            return None
        when = filters[TimeFilter].range(at=timezone.now())
        return Question(
            account=account,
            start=when.start,
            end=when.end,
            before=_place(filters[TimeFilter].used_parameters.get(BEFORE)),
            provider=_text(filters[ProviderFilter].value()),
            model=_text(filters[ModelFilter].value()),
            request_type=_text(filters[RequestTypeFilter].value()),
            failed=filters[StatusFilter].failed(),
            name=_text(self.query),
        )

    @property
    def newest_url(self) -> str:
        """The first page."""
        return str(self.get_query_string())

    @property
    def older_url(self) -> str:
        """The page after this one; empty at the end of the range."""
        return "" if self.page.older is None else str(self.get_query_string({BEFORE: str(self.page.older)}))

    def url_for_result(self, result: APIUsageLog) -> str:
        return address_of(result)


def _text(asked: str | None) -> str:
    text = (asked or "").strip()
    if "\x00" in text:
        raise IncorrectLookupParameters("PostgreSQL's texts hold no NUL.")
    return text


def _place(text: str | None) -> Place | None:
    try:
        return Place.parse(text) if text else None
    except ValueError as wrong:
        raise IncorrectLookupParameters(wrong) from wrong


def address_of(row: APIUsageLog) -> str:
    """The page of one call. It names the row by the whole primary key, for no index knows the id alone."""
    return reverse(CHANGE_PAGE, args=[f"{row.account_id}.{Place.of(row)}"])


def log_of(account: Account) -> str:
    """The page that lists the account's newest calls."""
    return f"{reverse('admin:usage_apiusagelog_changelist')}?{urlencode({'account': account.pk})}"


def _column(name: str) -> Callable[[Any, APIUsageLog], str]:
    """An amount of the row without the zeros of eighteen decimals."""

    @admin.display(description=f"{name.replace('_', ' ')} (USD)")
    def shown(self: Any, row: APIUsageLog) -> str:
        amount = getattr(row, name)
        return "" if amount is None else format_amount(amount)

    return shown


@admin.register(APIUsageLog)
class LogAdmin(ReadOnlyAdmin):
    list_display = [
        "time",
        "shown_provider",
        "shown_model",
        "request_type",
        "tokens_in",
        "tokens_out",
        "shown_cost",
        "shown_status",
        "response_time",
    ]
    list_filter = [
        AccountFilter, TimeFilter, ProviderFilter, ModelFilter, RequestTypeFilter, StatusFilter,
    ]  # fmt: skip
    list_fullwidth = True
    sortable_by = ()
    # Named for the search box alone: `usage.browsing` does the looking up.
    search_fields = ["event_id"]
    search_help_text = "Id of an event or authorization"
    show_full_result_count = False
    # Facets would count every choice of every filter.
    show_facets = ShowFacets.NEVER

    shown_cost = _column("cost")
    shown_cost_input = _column("cost_input")
    shown_cost_output = _column("cost_output")
    shown_list_cost = _column("list_cost")

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[LogChangeList]:
        return LogChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[APIUsageLog], search_term: str
    ) -> tuple[QuerySet[APIUsageLog], bool]:
        return queryset, False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what a filter here takes: anything else would be left out of the question unnoticed."""
        taken = {getattr(each, "parameter_name", None) for each in self.list_filter}
        return lookup in taken | {*TimeFilter.form_class.base_fields, BEFORE}

    def may_be_id(self, object_id: str) -> bool:
        # A page is named by where its row stands; `get_object` judges that.
        return True

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> APIUsageLog | None:
        account, _, place = object_id.partition(".")
        try:
            account_id, found = int(account), Place.parse(place)
        except ValueError:
            return None
        return browsing.row(account_id, found) if 0 <= account_id <= LARGEST_ID else None

    def get_fieldsets(self, request: HttpRequest, obj: APIUsageLog | None = None) -> Any:
        return [] if obj is None else fieldsets(obj)

    def get_readonly_fields(self, request: HttpRequest, obj: APIUsageLog | None = None) -> list[str]:
        return [] if obj is None else [name for _, part in fieldsets(obj) for name in part["fields"]]

    # --- Columns of the list ---

    @admin.display(description="time (UTC)")
    def time(self, row: APIUsageLog) -> str:
        return _unbroken(f"{row.occurred_at:%Y-%m-%d %H:%M:%S}")

    @admin.display(description="model")
    def shown_model(self, row: APIUsageLog) -> str:
        return _unbroken(row.model)

    @admin.display(description="tokens in")
    def tokens_in(self, row: APIUsageLog) -> str:
        return _count(row.input_tokens)

    @admin.display(description="tokens out")
    def tokens_out(self, row: APIUsageLog) -> str:
        return _count(row.output_tokens)

    @admin.display(description="provider")
    def shown_provider(self, row: APIUsageLog) -> str:
        return name_of(row.provider)

    @admin.display(description="status")
    def shown_status(self, row: APIUsageLog) -> str:
        failed = row.status_code >= browsing.FAILED_FROM
        return _unbroken(f"{row.status_code} failed") if failed else str(row.status_code)

    @admin.display(description="response time")
    def response_time(self, row: APIUsageLog) -> str:
        return "" if row.response_time_ms is None else _unbroken(f"{row.response_time_ms:,} ms")

    # --- The page of one call ---

    @admin.display(description="happened (UTC)")
    def occurred(self, row: APIUsageLog) -> str:
        return f"{row.occurred_at:%Y-%m-%d %H:%M:%S.%f}"

    @admin.display(description="recorded (UTC)")
    def recorded(self, row: APIUsageLog) -> str:
        return f"{row.recorded_at:%Y-%m-%d %H:%M:%S.%f}"

    @admin.display(description="account")
    def shown_account(self, row: APIUsageLog) -> str:
        return _link(Account.objects.filter(pk=row.account_id).first(), missing=str(row.account_id))

    @admin.display(description="provider, as sent")
    def provider_as_sent(self, row: APIUsageLog) -> str:
        return row.provider_name

    @admin.display(description="model, as sent")
    def model_as_sent(self, row: APIUsageLog) -> str:
        return row.model_used

    @admin.display(description="who said so")
    def shown_cost_source(self, row: APIUsageLog) -> str:
        return row.get_cost_source_display()

    @admin.display(description="price that rated it")
    def shown_price(self, row: APIUsageLog) -> str:
        price = None if row.price_id is None else _price(row.price_id)
        if price is None:
            return "none: the cost was reported, or nothing was to pay"
        return format_html("{}<div>{}</div>", _link(price), spell_rates(price))

    @admin.display(description="billing period")
    def shown_period(self, row: APIUsageLog) -> str:
        period = BillingPeriod.objects.filter(pk=row.billing_period_id).first()
        return _link(period, missing=str(row.billing_period_id))

    @admin.display(description="authorization")
    def shown_authorization(self, row: APIUsageLog) -> str:
        try:
            known = Authorization.objects.filter(pk=UUID(row.authorization), account=row.account_id).first()
        except ValueError:
            known = None
        return _link(known, missing=row.authorization or "none: it was reported without one")

    @admin.display(description="event")
    def shown_event(self, row: APIUsageLog) -> str:
        return f"{row.event_id} of {row.source}"


def fieldsets(row: APIUsageLog) -> list[tuple[str | None, dict[str, list[str]]]]:
    """What there is to say of a call; quantities and tags that it does not have are left out."""
    outcome = ["shown_status", *(name for name in TRANSPORT if getattr(row, _stored(name)) is not None)]
    list_cost = ["shown_list_cost"] if row.list_cost is not None else []
    parts: list[tuple[str | None, dict[str, list[str]]]] = [
        (
            None,
            {
                "fields": [
                    "shown_account", "occurred", "recorded", "shown_provider", "provider_as_sent", "model",
                    "model_as_sent", "request_type", "endpoint", "method",
                ]
            },
        ),
        ("Quantities", {"fields": [name for name in QUANTITIES if getattr(row, name) is not None]}),
        (
            "Cost",
            {
                "fields": [
                    "shown_cost", "shown_cost_input", "shown_cost_output", *list_cost,
                    "shown_cost_source", "shown_price",
                ]
            },
        ),
        ("Outcome", {"fields": [*outcome, *(["error_message"] if row.error_message else [])]}),
        (
            "Where it belongs",
            {
                "fields": [
                    "shown_period", "shown_authorization", "shown_event",
                    *(name for name in TAGS if getattr(row, name)),
                ]
            },
        ),
    ]  # fmt: skip
    return [(name, part) for name, part in parts if part["fields"]]


def _count(tokens: int | None) -> str:
    return "" if tokens is None else f"{tokens:,}"


def _unbroken(text: str) -> str:
    """`text` on one line, also in a narrow column."""
    return format_html('<span class="whitespace-nowrap">{}</span>', text) if text else ""


def _stored(name: str) -> str:
    return "response_time_ms" if name == "response_time" else name


def _price(price_id: int) -> APIProviderPricing | None:
    return APIProviderPricing.objects.filter(pk=price_id).first()


def _link(target: Model | None, *, missing: str = "") -> str:
    """The page of `target`, or `missing` where there is no such row."""
    if target is None:
        return missing
    options = target._meta
    address = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[target.pk])
    return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', address, target)
