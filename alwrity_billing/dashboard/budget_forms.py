"""The forms of the budget. The operations say what cannot be; these only read what was typed."""

from typing import Any, cast

from django import forms

from alwrity_billing.dashboard.fields import PercentagesField
from subscriptions.budget_protection import SETTINGS
from subscriptions.budget_settings import Changes
from subscriptions.models import Budget
from subscriptions.models.budgets import MAX_PAUSE_REASON
from usage.core.money import COST_MAX_DIGITS, COST_PLACES, format_amount

AMOUNTS = ("monthly_budget", "per_request", "per_hour", "per_day", "max_monthly_cost")


def _amount(label: str, help_text: str = "") -> forms.DecimalField:
    return forms.DecimalField(
        max_digits=COST_MAX_DIGITS,
        decimal_places=COST_PLACES,
        required=False,
        label=label,
        help_text=help_text,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


def _percent(label: str) -> forms.IntegerField:
    return forms.IntegerField(
        required=False, label=label, widget=forms.TextInput(attrs={"inputmode": "numeric"})
    )


class BudgetForm(forms.Form):
    """What an account bounds itself by. An empty field is no bound."""

    monthly_budget = _amount("Budget of a billing period (USD)", "Empty: no budget of your own.")
    auto_pause = forms.BooleanField(required=False, label="Pause all calls once it is used up")
    per_day = _amount("A day (USD)")
    per_hour = _amount("An hour (USD)")
    per_request = _amount("One request (USD)")
    alert_thresholds = PercentagesField(
        label="Tell us at (%)",
        help_text="Percent of the budget, such as 50, 80, 95. Empty: as the plan says.",
    )
    throttle_from = _percent("Slow down from (% of the budget)")
    throttle_to = _percent("To (% of each rate limit)")
    max_monthly_cost = _amount(
        "A billing period never costs more than (USD)", "Also where the budget above only tells."
    )
    pause_at_maximum = forms.BooleanField(required=False, label="Pause all calls once that is reached")

    def changes(self) -> Changes:
        """The settings that a valid form says, all of them."""
        values: dict[str, Any] = {name: self.cleaned_data[name] for name in SETTINGS}
        values["alert_thresholds"] = values["alert_thresholds"] or None
        if values["monthly_budget"] is None:
            # A box beside an empty amount says nothing.
            del values["auto_pause"]
        return cast(Changes, values)


class PauseForm(forms.Form):
    """Why everything stops."""

    reason = forms.CharField(
        max_length=MAX_PAUSE_REASON, label="Why", help_text="Whoever is refused reads it."
    )


def form_of(budget: Budget) -> BudgetForm:
    """The form as the budget stands."""
    initial = {name: getattr(budget, name) for name in SETTINGS}
    for name in AMOUNTS:
        initial[name] = None if initial[name] is None else format_amount(initial[name])
    initial["alert_thresholds"] = ", ".join(map(str, budget.alert_thresholds or []))
    return BudgetForm(initial=initial)
