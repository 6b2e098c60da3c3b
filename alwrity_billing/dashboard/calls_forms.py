"""By what the log of calls is narrowed."""

import re
from datetime import datetime

from django import forms
from django.conf import settings

from alwrity_billing.dashboard.date_ranges import DaysForm
from usage.browsing import DEFAULT_DAYS, MAX_DAYS, Place, Question
from usage.exports import MAX_CALL_DAYS
from usage.models import Account
from usage.providers import PROVIDERS

OK, FAILED = "ok", "failed"
# What stands behind "More filters".
FURTHER = ("endpoint", "team", "project", "department", "member", "without", "event")
# What calls may leave untold.
UNTOLD = ("request_type", "endpoint", "team", "project", "department", "member")


def _text(label: str, longest: int, help_text: str = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=longest,
        required=False,
        help_text=help_text,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class CallsForm(DaysForm):
    """Which calls of the account to show. Texts are matched exactly; an empty field does not narrow."""

    usual_days = DEFAULT_DAYS
    max_days = MAX_DAYS

    provider = forms.ChoiceField(
        label="Provider",
        required=False,
        choices=[("", "All"), *((key, provider.name) for key, provider in PROVIDERS.items())],
        error_messages={"invalid_choice": "There is no provider %(value)s."},
    )
    model = _text("Model", 160)
    request_type = _text("Request type", 64)
    status = forms.ChoiceField(
        label="Status",
        required=False,
        choices=[("", "All"), (OK, "Succeeded"), (FAILED, "Failed")],
        error_messages={"invalid_choice": "Choose ok or failed."},
    )
    endpoint = _text("Endpoint", 200)
    team = _text("Team", 128)
    project = _text("Project", 128)
    department = _text("Department", 128)
    member = _text("Member", 128)
    without = _text("Saying nothing of", 128, f"Of {', '.join(UNTOLD)}: such as team, project.")
    event = _text("Event or authorization", 128, "Its id, whole.")

    def clean_without(self) -> frozenset[str]:
        """The names that the text lists."""
        named = frozenset(filter(None, re.split(r"[\s,]+", self.cleaned_data["without"])))
        unknown = sorted(named - frozenset(UNTOLD))
        if unknown:
            raise forms.ValidationError(f"{unknown[0]} is none of {', '.join(UNTOLD)}.")
        return named

    def question(self, account: Account, *, at: datetime, before: Place | None = None) -> Question:
        """What a valid form asks the log for."""
        asked, days = self.cleaned_data, self.days
        provider, model = _named(asked["provider"], asked["model"])
        # A sender's clock may run ahead of ours, over midnight.
        end = max(days.end, at + settings.INGEST_MAX_CLOCK_SKEW) if days.end > at else days.end
        return Question(
            account=account,
            start=days.start,
            end=end,
            before=before,
            provider=provider,
            model=model,
            untold=asked["without"],
            **{name: asked[name] for name in UNTOLD},
            failed={OK: False, FAILED: True}.get(asked["status"]),
            name=asked["event"],
        )

    @property
    def asks_further(self) -> bool:
        """Whether what stands behind "More filters" narrows, or is wrong."""
        return any(name in self.query or name in self.errors for name in FURTHER)


def _named(provider: str, model: str) -> tuple[str, str]:
    """A provider and a model; the model may be told as the usage page does, "provider/model"."""
    before, _, name = model.partition("/")
    if before in PROVIDERS and provider in ("", before):
        return before, name
    return provider, model


class CallsCsvForm(CallsForm):
    """The same for a download, of fewer days."""

    max_days = MAX_CALL_DAYS
