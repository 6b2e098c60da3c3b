"""The forms of the alert settings."""

from typing import Any

from django import forms

from alerts import choices
from alerts.channels.base import Address
from alwrity_billing.dashboard.fields import PercentagesField
from usage.core.errors import InvalidRequest

LONGEST_ADDRESS = 2_000
OF_PLAN, OWN = "plan", "own"


class ChannelForm(forms.Form):
    """A kind of channel and where it leads to."""

    kind = forms.ChoiceField(label="Kind")
    address = forms.CharField(max_length=LONGEST_ADDRESS, label="Address", strip=True)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        kinds = choices.kinds_to_add()
        self.fields["kind"] = forms.ChoiceField(
            label="Kind", choices=[(each.key, each.name) for each in kinds]
        )
        takes_mail = any(each.address is Address.EMAIL for each in kinds)
        self.fields["address"].help_text = (
            "A URL; for email an address, which its owner confirms first." if takes_mail else "A URL."
        )
        self.fields["address"].widget.attrs.update(autocomplete="off", spellcheck="false")


class ThresholdsForm(forms.Form):
    """The plan's thresholds, or own ones."""

    whose = forms.ChoiceField(label="Thresholds", choices=[(OF_PLAN, "As the plan says"), (OWN, "Our own")])
    limit_thresholds = PercentagesField(
        label="Percentages", help_text="Ascending, such as 50, 80, 100. None: only once a limit is reached."
    )


def refuse(form: forms.Form, error: InvalidRequest) -> None:
    """Show what an operation has against the form, beside the field it names."""
    field = str(error.details.get("field", ""))
    told = error.message.removeprefix(f"{field}: ")
    form.add_error(field if field in form.fields else None, f"{told[:1].upper()}{told[1:]}")
