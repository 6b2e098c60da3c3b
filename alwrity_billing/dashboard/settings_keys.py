"""The account's API keys: created and rotated with the secret shown once, revoked."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from alwrity_billing.dashboard import settings_access, settings_history
from alwrity_billing.dashboard.addresses import page_url
from alwrity_billing.dashboard.alert_forms import refuse
from alwrity_billing.dashboard.billing_views import refused
from alwrity_billing.dashboard.definitions import SETTINGS
from alwrity_billing.dashboard.settings_access import ISSUES_KEYS, REVOKES_KEYS
from alwrity_billing.dashboard.visits import Visit, account_page
from usage import keys as api_keys
from usage.core.errors import BillingError, Conflict, InvalidRequest
from usage.keys import IssuedKey
from usage.models import ApiKey, ChangeOf, Scope

MOST_ENDED = 20
# Minutes that the key before goes on.
OVERLAPS = [(0, "at once"), (60, "in an hour"), (24 * 60, "in a day"), (7 * 24 * 60, "in a week")]
USUAL_OVERLAP = 24 * 60


class KeyForm(forms.Form):
    """What a new key is called, and what it may do."""

    name = forms.CharField(
        max_length=api_keys.MAX_NAME_LENGTH,
        label="Name",
        help_text="Where it is used, such as “web, production”.",
    )
    scopes = forms.MultipleChoiceField(choices=Scope.choices, initial=[Scope.INGEST], label="It may")

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.fields["name"].widget.attrs.update(autocomplete="off", spellcheck="false")


class RotationForm(forms.Form):
    overlap = forms.TypedChoiceField(choices=OVERLAPS, coerce=int)


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key, how it stands in a word and a sentence, and what can be done with it."""

    row: ApiKey
    tone: str
    state: str
    note: str
    may_rotate: bool

    @property
    def scopes(self) -> list[str]:
        return [Scope(scope).label for scope in self.row.scopes]


@require_http_methods(["GET", "HEAD", "POST"])
@account_page
def keys(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The keys, and on POST a new one, whose secret is shown this once."""
    if request.method != "POST":
        return show(request, visit)
    settings_access.require(visit, ISSUES_KEYS)
    form = KeyForm(request.POST)
    if not form.is_valid():
        return show(request, visit, form)
    try:
        issued = api_keys.create(visit.account, **form.cleaned_data, at=visit.at, by=visit.actor)
    except InvalidRequest as error:
        refuse(form, error)
    except Conflict as conflict:
        form.add_error(None, conflict.message)
    else:
        return _secret(request, visit, issued)
    return show(request, visit, form)


@require_POST
@account_page
def rotate(request: HttpRequest, visit: Visit, prefix: str) -> HttpResponse:
    """Put a new key in the place of one, which ends when the form says; the secret is shown this once."""
    settings_access.require(visit, ISSUES_KEYS)
    key = api_keys.key_of(visit.account, prefix)
    form = RotationForm(request.POST)
    if not form.is_valid():
        raise InvalidRequest("overlap: Choose when the key ends.", details={"field": "overlap"})
    overlap = timedelta(minutes=form.cleaned_data["overlap"])
    try:
        issued = api_keys.rotate(key, overlap=overlap, at=visit.at, by=visit.actor)
    except BillingError as error:
        refused(request, error)
        return redirect(page_url(request, "settings_keys"))
    key.refresh_from_db()
    return _secret(request, visit, issued, instead_of=key)


@require_POST
@account_page
def revoke(request: HttpRequest, visit: Visit, prefix: str) -> HttpResponse:
    """Refuse a key from now on."""
    settings_access.require(visit, REVOKES_KEYS)
    key = api_keys.key_of(visit.account, prefix)
    if api_keys.revoke(key, at=visit.at, by=visit.actor):
        messages.success(request, f"{key} is revoked: it is refused from now on.")
    else:
        messages.info(request, f"{key} was revoked before.")
    return redirect(page_url(request, "settings_keys"))


def show(request: HttpRequest, visit: Visit, form: KeyForm | None = None) -> HttpResponse:
    """The page, with a form that was refused and what was entered in it."""
    may_look = settings_access.may(visit, REVOKES_KEYS)
    in_use, ended = (
        api_keys.of_account(visit.account, at=visit.at, ended_at_most=MOST_ENDED) if may_look else ([], [])
    )
    context = {
        **visit.frame(),
        "may_look": may_look,
        "may_issue": may_look and settings_access.may(visit, ISSUES_KEYS),
        "in_use": [_shown(key, at=visit.at) for key in in_use],
        "ended": [_shown(key, at=visit.at) for key in ended],
        "form": KeyForm() if form is None else form,
        "scopes": Scope.choices,
        "overlaps": OVERLAPS,
        "usual_overlap": USUAL_OVERLAP,
        "history": settings_history.history_of(visit.account, ChangeOf.KEY) if may_look else [],
        "definitions": SETTINGS,
    }
    return render(request, "dashboard/settings/keys.html", context)


def _secret(
    request: HttpRequest, visit: Visit, issued: IssuedKey, *, instead_of: ApiKey | None = None
) -> HttpResponse:
    context = {
        **visit.frame(),
        "key": issued.key,
        "plain": issued.plain,
        "scopes": [Scope(scope).label for scope in issued.key.scopes],
        "instead_of": instead_of,
        "may_send": Scope.INGEST in issued.key.scopes,
        "events_url": request.build_absolute_uri(reverse("usage-events")),
        "period_url": request.build_absolute_uri(reverse("usage-limits")),
    }
    return render(request, "dashboard/settings/key_secret.html", context)


def _shown(key: ApiKey, *, at: datetime) -> ShownKey:
    if key.revoked:
        return ShownKey(key, "idle", "Revoked", _on("Refused since", key.expiry_date), may_rotate=False)
    if key.expiry_date is not None and key.expiry_date <= at:
        return ShownKey(key, "idle", "Ended", _on("Refused since", key.expiry_date), may_rotate=False)
    if key.replaced_by_id is not None:
        note = f"{_on('Works until', key.expiry_date)}; {key.replaced_by_id}… has taken its place"
        return ShownKey(key, "warn", "Ends soon", note, may_rotate=False)
    note = _on("Works until", key.expiry_date) if key.expiry_date is not None else ""
    return ShownKey(key, "good", "Active", note, may_rotate=True)


def _on(what: str, at: datetime | None) -> str:
    return "" if at is None else f"{what} {at.day} {at:%b %Y, %H:%M}"
