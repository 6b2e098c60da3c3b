"""Forms of the pages about money. The operations say what cannot be; these only read what was typed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from subscriptions.admin.forms import moment_field, reason_field
from subscriptions.billing_profiles import ADDRESS_PARTS
from subscriptions.models import BillingHistory, CreditKind, CreditNoteKind, InvoiceItem
from subscriptions.models.invoices import CENTS_DIGITS
from usage.models import Account

MAX_PRIORITY = 1_000


def amount_field(**options: Any) -> forms.DecimalField:
    return forms.DecimalField(
        max_digits=CENTS_DIGITS, decimal_places=2, widget=UnfoldAdminTextInputWidget, **options
    )


def text_field(*, max_length: int, **options: Any) -> forms.CharField:
    return forms.CharField(max_length=max_length, widget=UnfoldAdminTextInputWidget, **options)


class AccountSelect(AutocompleteSelect):
    """Chosen from accounts; what can be no id, from an odd address or form, is not looked for."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        return super().optgroups(name, [each for each in value if each.isdecimal()], attr)


def account_field() -> forms.ModelChoiceField:  # type: ignore[type-arg]  # not generic at run time
    """An account, found by typing."""
    column = InvoiceItem._meta.get_field("account")
    return forms.ModelChoiceField(queryset=Account.objects.all(), widget=AccountSelect(column, admin.site))


class PaymentForm(forms.Form):
    amount = amount_field(help_text="USD")
    method = text_field(max_length=64, initial="bank transfer", help_text="Such as bank transfer or cheque.")
    reference = text_field(
        max_length=200,
        required=False,
        help_text="What finds it again: a statement's line, a cheque's number.",
    )


class CreditNoteForm(forms.Form):
    kind = forms.ChoiceField(choices=CreditNoteKind.choices, widget=UnfoldAdminRadioSelectWidget)
    amount = amount_field(help_text="USD")
    reason = reason_field()


class AdjustmentForm(forms.Form):
    account = account_field()
    amount = amount_field(help_text="USD. Negative amounts are in the customer's favour.")
    description = text_field(max_length=300, help_text="What the line of the invoice says.")
    corrects = text_field(
        max_length=32, required=False, help_text="The number of the invoice that was wrong, if one was."
    )

    def clean_corrects(self) -> BillingHistory | None:
        number = self.cleaned_data["corrects"]
        if not number:
            return None
        found = BillingHistory.objects.filter(number=number).first()
        if found is None:
            raise forms.ValidationError(f"There is no invoice {number}.")
        return found


class CreditForm(forms.Form):
    account = account_field()
    kind = forms.ChoiceField(choices=CreditKind.choices, widget=UnfoldAdminSelectWidget)
    amount = amount_field(help_text="USD")
    priority = forms.IntegerField(
        min_value=0,
        max_value=MAX_PRIORITY,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Lower goes first. Empty: by kind, promotional before given back before prepaid.",
    )
    expires_at = moment_field(required=False, help_text="UTC. What is left then is lost; empty: never.")
    reason = reason_field()


class ProfileForm(forms.Form):
    name = text_field(max_length=200, required=False, help_text="Empty: the account's name.")
    email = text_field(max_length=254, required=False)
    line1 = text_field(max_length=200, required=False, label="Address")
    line2 = text_field(max_length=200, required=False, label="Address, second line")
    city = text_field(max_length=200, required=False)
    state = text_field(max_length=200, required=False)
    postal_code = text_field(max_length=200, required=False)
    country = text_field(max_length=200, required=False, help_text="Two letters, such as DE or US.")
    tax_id = text_field(max_length=64, required=False, label="Tax id")

    def clean(self) -> dict[str, Any]:
        """The parts of the address together, as the operation takes them."""
        cleaned = dict(super().clean() or {})
        address = {part: cleaned.pop(part, "") for part in ADDRESS_PARTS}
        return {**cleaned, "address": address}


class NewProfileForm(ProfileForm):
    account = account_field()
    field_order = ["account"]
