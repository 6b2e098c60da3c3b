"""Billing periods and their totals, to look at."""

from django.contrib import admin

from usage.admin.base import ReadOnlyAdmin
from usage.models import BillingPeriod, UsageSummary


@admin.register(BillingPeriod)
class BillingPeriodAdmin(ReadOnlyAdmin):
    list_display = ["account", "period_start", "period_end"]
    list_select_related = ["account"]
    search_fields = ["account__name", "account__external_id"]
    date_hierarchy = "period_start"


@admin.register(UsageSummary)
class UsageSummaryAdmin(ReadOnlyAdmin):
    list_display = ["account", "billing_period", "provider", "calls", "input_tokens", "output_tokens", "cost"]
    list_filter = ["provider"]
    list_select_related = ["account", "billing_period"]
    search_fields = ["account__name", "account__external_id"]
