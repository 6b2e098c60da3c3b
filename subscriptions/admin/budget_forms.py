"""Forms of the pages about budgets. The operations say what cannot be; these only read what was typed."""

from typing import Any, cast

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.db.models import Field
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from subscriptions.admin.forms import reason_field
from subscriptions.admin.money_forms import account_field, text_field
from subscriptions.models import Budget
from subscriptions.models.budgets import MAX_PAUSE_REASON
from usage.core.money import COST_MAX_DIGITS, COST_PLACES


def _amount_field(name: str) -> forms.DecimalField:
    return forms.DecimalField(
        max_digits=COST_MAX_DIGITS,
        decimal_places=COST_PLACES,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=f"{_help(name)} Empty: none.",
    )


def _percent_field(name: str) -> forms.IntegerField:
    return forms.IntegerField(
        required=False, widget=UnfoldAdminIntegerFieldWidget, help_text=f"{_help(name)} Empty: none."
    )


def _help(name: str) -> str:
    return str(cast("Field[Any, Any]", Budget._meta.get_field(name)).help_text)


class ThresholdsField(SimpleArrayField):
    """Percentages; an empty text is no list at all."""

    def clean(self, value: Any) -> Any:
        return super().clean(value) or None


class BudgetForm(forms.Form):
    monthly_budget = _amount_field("monthly_budget")
    auto_pause = forms.BooleanField(
        required=False, initial=True, widget=UnfoldBooleanWidget, help_text=_help("auto_pause")
    )
    per_request = _amount_field("per_request")
    per_hour = _amount_field("per_hour")
    per_day = _amount_field("per_day")
    alert_thresholds = ThresholdsField(
        forms.IntegerField(),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Percent of the budget at which people are told, such as 50,80; empty: those of the plan.",
    )
    throttle_from = _percent_field("throttle_from")
    throttle_to = _percent_field("throttle_to")
    max_monthly_cost = _amount_field("max_monthly_cost")
    pause_at_maximum = forms.BooleanField(
        required=False, widget=UnfoldBooleanWidget, help_text=_help("pause_at_maximum")
    )
    reason = reason_field()


class NewBudgetForm(BudgetForm):
    account = account_field()
    field_order = ["account"]


class BudgetPauseForm(forms.Form):
    reason = text_field(max_length=MAX_PAUSE_REASON, help_text="Whoever is refused reads it.")
