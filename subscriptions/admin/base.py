"""What the pages about money have in common: lists too long to be counted, who may act, how amounts look."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from unfold import paginator

from subscriptions import invoicing
from subscriptions.models import BillingHistory
from usage.admin.base import NUL, ReadOnlyAdmin
from usage.core.money import format_amount, to_cents
from usage.models import Account

PER_PAGE = 50
MAX_PAGES = 200
# As many accounts as a search by name takes in.
MAX_FOUND = 100
LINK = '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>'
UNBROKEN = '<span class="whitespace-nowrap">{}</span>'
# Whoever may act on invoices, credits and what collects them.
SETTLE = ["settle"]


class InfinitePaginator(paginator.InfinitePaginator):  # type: ignore[misc]  # unfold has no types
    """Counts nothing, and ends where going on would be a search. unfold's templates ask for the name."""

    @cached_property
    def count(self) -> int:
        return int(self.per_page) * MAX_PAGES


class RowsOfAccounts(ReadOnlyAdmin):
    """Rows that grow with time: newest first, uncounted, found by their account or by what names one."""

    paginator = InfinitePaginator
    list_per_page = PER_PAGE
    list_max_show_all = PER_PAGE
    show_full_result_count = False
    # Facets would count every choice of every filter.
    show_facets = ShowFacets.NEVER
    list_select_related: Any = ["account"]
    ordering: Sequence[str] = ["-pk"]
    list_fullwidth = True
    change_form_outer_after_template = "admin/panels.html"
    # Indexed columns that name one row, or a few.
    named_by: Sequence[str] = ()
    # Whether they are found by their invoice's number, too.
    by_invoice = False
    # For the search box alone; `get_search_results` does the looking up.
    search_fields: Sequence[str] = ["account__name"]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        # Whatever the address names may become a filter, and PostgreSQL's text holds no NUL.
        if any(NUL in value for value in request.GET.values()):
            raise IncorrectLookupParameters
        return super().get_changelist_instance(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        named = Q(name__icontains=term) | Q(external_id__icontains=term)
        accounts = Account.objects.filter(named).order_by("pk").values_list("pk", flat=True)[:MAX_FOUND]
        wanted = Q(account__in=list(accounts))
        for column in self.named_by:
            wanted |= Q(**{column: term})
        if self.by_invoice:
            # Looked up first: a condition on another table beside these would use no index.
            wanted |= Q(invoice__in=list(BillingHistory.objects.filter(number=term)))
        return queryset.filter(wanted), False

    def has_settle_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("subscriptions.settle_billinghistory")


def tax_of(invoice: BillingHistory) -> str:
    """The tax of an invoice, or why its draft has none yet."""
    if not invoicing.waits_for_tax(invoice):
        return dollars(invoice.tax)
    return f"not computed: {invoice.tax_error}" if invoice.tax_error else "not computed yet"


def dollars(amount: Decimal) -> str:
    """The amount with its cents, as invoices have it."""
    return f"{to_cents(amount):,.2f}"


def exact(amount: Decimal) -> str:
    """Every digit of it."""
    return format_amount(amount)


def unbroken(text: str) -> str:
    """`text` on one line, also in a narrow column."""
    return format_html(UNBROKEN, text)


def minute(moment: datetime | None) -> str:
    return "" if moment is None else unbroken(f"{moment:%Y-%m-%d %H:%M}")


def day(moment: datetime) -> str:
    return unbroken(f"{moment:%Y-%m-%d}")


def span(start: datetime, end: datetime) -> str:
    return format_html("<span>{} – {}</span>", day(start), day(end))


def link(target: Model | None, text: object = "") -> str:
    """The admin page of `target`; nothing where there is none."""
    if target is None:
        return ""
    options = target._meta
    address = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[target.pk])
    return format_html(LINK, address, text or target)


def list_page(model: type[Model], **query: object) -> str:
    """The address of a model's list, filtered by `query`."""
    options = model._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_changelist", query=query or None)


def add_page(model: type[Model], **initial: object) -> str:
    """The address of a model's add page, its form filled in with `initial`."""
    options = model._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_add", query=initial)
