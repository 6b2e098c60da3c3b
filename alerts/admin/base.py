"""What the pages about alerts share: whose a row is, and who reads email addresses in full."""

from typing import Any, cast

from django.contrib import admin
from django.db.models import Model, Q, QuerySet, Value
from django.http import HttpRequest

from alerts import words
from alerts.models import AlertChannel
from subscriptions.admin.base import RowsOfAccounts, link, unbroken
from subscriptions.admin.filters import ConditionFilter
from usage.models import Account

OUR_STAFF = "our staff"
# Whoever may change channels reads the email addresses that they lead to; others read them in part.
CHANGE_CHANNELS = "alerts.change_alertchannel"


class AudienceFilter(ConditionFilter):
    title = "whom it is for"
    parameter_name = "audience"
    conditions = {
        "staff": ("Our staff", Q(account__isnull=True)),
        "customers": ("Customers", Q(account__isnull=False)),
    }


class RowsOfAnybody(RowsOfAccounts):
    """Rows of accounts, and of our staff."""

    search_help_text = "The account's name or id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        may_read = Value(request.user.has_perm(CHANGE_CHANNELS))
        return cast("QuerySet[Any]", super().get_queryset(request).annotate(shows_addresses=may_read))

    @admin.display(description="whose")
    def whose(self, row: Any) -> str:
        return unbroken(OUR_STAFF) if row.account is None else str(row.account)

    @admin.display(description="whose")
    def whose_page(self, row: Any) -> str:
        account: Account | None = row.account
        return OUR_STAFF if account is None else link(account)


def address_on(row: Model, address: str) -> str:
    """`address` as whoever asked for `row` reads it."""
    return address if getattr(row, "shows_addresses", False) else words.masked(address)


def label_of(channel: AlertChannel, row: Model) -> str:
    """The channel's label as whoever asked for `row` reads it; a dash where it has none."""
    return address_on(row, channel.label) or "—"
