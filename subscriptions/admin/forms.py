"""Forms of the subscriptions admin: plain fields in unfold's look."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from subscriptions import entitlements
from subscriptions.core.terms import Timing
from subscriptions.models import CycleChoices, LimitOverride, PlanLimit, PlanVersion, SubscriptionPlan
from subscriptions.plans import TERMS
from usage.core.errors import InvalidRequest
from usage.core.money import COST_MAX_DIGITS, COST_PLACES, format_amount
from usage.limits import check as check_limits
from usage.models import Account

FEATURES_HELP = "One a line."
AMOUNTS = ("price_monthly", "price_yearly", "included_usage", "overage_markup_percent", "max_monthly_cost")


def reason_field(*, required: bool = True) -> forms.CharField:
    return forms.CharField(
        max_length=300,
        required=required,
        widget=UnfoldAdminTextInputWidget,
        help_text="Kept in the history.",
    )


def moment_field(**options: Any) -> forms.SplitDateTimeField:
    return forms.SplitDateTimeField(widget=UnfoldAdminSplitDateTimeWidget, **options)


class PlainAmounts:
    """Shows a model form's amounts without the zeros of the table's decimals."""

    amounts: tuple[str, ...] = ("amount",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name in self.amounts:
            if self.initial.get(name) is not None:  # type: ignore[attr-defined]
                self.initial[name] = format_amount(self.initial[name])  # type: ignore[attr-defined]


class ReasonForm(forms.Form):
    reason = reason_field()


class FeaturesField(forms.CharField):
    """Lines of text, read as a list."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = value if isinstance(value, list) else str(value or "").splitlines()
        features = [line.strip() for line in lines if line.strip()]
        if any(len(feature) > 100 for feature in features):
            raise ValidationError("A feature takes at most 100 characters.")
        return features

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial) != self.to_python(data))


class VersionForm(PlainAmounts, forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A draft's terms."""

    amounts = AMOUNTS
    features = FeaturesField(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}), help_text=FEATURES_HELP
    )
    alert_thresholds = SimpleArrayField(
        forms.IntegerField(min_value=1, max_value=1_000),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Percent of a limit at which people are told, ascending, such as 80, 90, 100.",
    )

    class Meta:
        model = PlanVersion
        fields = [*TERMS, "note"]


class PlanLimitForm(PlainAmounts, forms.ModelForm):  # type: ignore[type-arg]
    """One limit of a draft; says at once what cannot be one."""

    class Meta:
        model = PlanLimit
        fields = ["name", "measure", "scope", "scope_value", "window", "amount", "mode"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors and not cleaned.get("DELETE"):
            limit = PlanLimit(**{name: cleaned[name] for name in self.Meta.fields})
            try:
                check_limits([entitlements.terms_of(limit)])
            except InvalidRequest as wrong:
                raise ValidationError(wrong.message) from wrong
        return cleaned


class OverrideForm(forms.ModelForm):  # type: ignore[type-arg]
    """A limit for one customer, in place of the plan's that counts the same."""

    class Meta:
        model = LimitOverride
        fields = [
            "account", "name", "measure", "scope", "scope_value", "window", "amount", "mode", "reason",
            "ends_at",
        ]  # fmt: skip

    def clean_ends_at(self) -> datetime | None:
        ends_at: datetime | None = self.cleaned_data["ends_at"]
        if ends_at is not None and ends_at <= timezone.now():
            raise ValidationError("Choose a moment in the future, or none.")
        return ends_at

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        # What is there already is only looked at.
        if not self.errors and self.instance.pk is None:
            row = LimitOverride(**{name: cleaned[name] for name in self.Meta.fields})
            try:
                check_limits([entitlements.terms_of(row)])
            except InvalidRequest as wrong:
                raise ValidationError(wrong.message) from wrong
            for known in entitlements.overrides_in_force(row.account):
                if entitlements.terms_of(known).key == entitlements.terms_of(row).key:
                    raise ValidationError(
                        f"The override {known.name!r} counts the same: change that one instead."
                    )
        return cleaned


class NewAmountForm(forms.Form):
    """What an override is changed to."""

    amount = forms.DecimalField(
        min_value=0,
        max_digits=COST_MAX_DIGITS,
        decimal_places=COST_PLACES,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: unlimited. 0: nothing at all.",
    )
    ends_at = moment_field(required=False, help_text="UTC; empty: until it is ended by hand.")
    reason = reason_field()


def sold_plans() -> Any:
    return SubscriptionPlan.objects.filter(retired_at__isnull=True, versions__published_at__isnull=False)


class PlanChoiceForm(forms.Form):
    plan = forms.ModelChoiceField(queryset=SubscriptionPlan.objects.none(), widget=UnfoldAdminSelectWidget)
    billing_cycle = forms.ChoiceField(
        choices=CycleChoices.choices, initial=CycleChoices.MONTHLY, widget=UnfoldAdminSelectWidget
    )
    reason = reason_field()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["plan"].queryset = sold_plans().distinct()  # type: ignore[attr-defined]


class ChangePlanForm(PlanChoiceForm):
    WHEN = [
        ("", "As the rules say: more at once with proration, less at the term's end"),
        (Timing.NOW.value, "Now, with proration"),
        (Timing.AT_TERM_END.value, "At the end of the term"),
    ]
    when = forms.ChoiceField(choices=WHEN, required=False, widget=UnfoldAdminRadioSelectWidget)
    field_order = ["plan", "billing_cycle", "when", "reason"]


class SubscribeForm(PlanChoiceForm):
    account = forms.ModelChoiceField(
        queryset=Account.objects.order_by("name"), widget=UnfoldAdminSelectWidget
    )
    trial = forms.BooleanField(
        required=False, initial=True, widget=UnfoldBooleanWidget, label="With the plan's trial, if it has one"
    )
    field_order = ["account", "plan", "billing_cycle", "trial", "reason"]


class PauseForm(forms.Form):
    resumes_at = moment_field(
        required=False, help_text="UTC. Then it resumes by itself; empty: until it is resumed by hand."
    )
    reason = reason_field()


class TrialForm(forms.Form):
    ends_at = moment_field(help_text="UTC.")
    reason = reason_field()


class CancelForm(forms.Form):
    WHEN = [("term_end", "At the end of the term"), ("now", "Now: calls are refused at once")]
    when = forms.ChoiceField(choices=WHEN, initial="term_end", widget=UnfoldAdminRadioSelectWidget)
    reason = reason_field()
