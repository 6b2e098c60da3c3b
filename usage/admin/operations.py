"""Pages of the admin that run an operation: what it will do, what it needs to know, and a button.

An operation says what is wrong in words; they are shown beside the field they begin with, or else above the
form, and nothing has happened then. What it did is kept in the object's history.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from usage.core.errors import BillingError

TEMPLATE = "admin/operation.html"

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A table with a heading, in the form that unfold's component takes; `note` stands above it."""

    title: str
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    note: str = ""

    @property
    def table(self) -> Mapping[str, Any]:
        return {"headers": list(self.headers), "rows": [list(row) for row in self.rows]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a page is about. `act` takes the form's cleaned data, does it, and returns what it did, in words,
    or raises BillingError. `done` is where to go then (default: the object's page).
    """

    title: str
    act: Callable[[Mapping[str, Any]], str]
    submit: str
    explanation: str = ""
    form: type[forms.Form] = forms.Form
    initial: Mapping[str, Any] = field(default_factory=dict)
    panels: Sequence[Panel] = ()
    is_dangerous: bool = False
    done: str = ""


def run(
    operation: Operation, *, admin: "ModelAdmin[Any]", request: HttpRequest, about: Model | None = None
) -> HttpResponse:
    """Show the page, or do what its button asks for. `about` is the object whose page led here."""
    sent = request.POST if request.method == "POST" else None
    form = operation.form(sent, initial=dict(operation.initial))
    if form.is_valid():
        try:
            told = operation.act(form.cleaned_data)
        except BillingError as wrong:
            _tell(form, wrong)
        else:
            if about is not None:
                admin.log_change(request, about, told)
            messages.success(request, told)
            return HttpResponseRedirect(operation.done or page_of(about, admin=admin))
    context = {
        **admin.admin_site.each_context(request),
        "title": operation.title,
        "operation": operation,
        "form": form,
        "media": admin.media + form.media,
        "opts": admin.opts,
        "original": about,
        "back": page_of(about, admin=admin),
    }
    return TemplateResponse(request, TEMPLATE, context)


def _tell(form: forms.Form, wrong: BillingError) -> None:
    """Show what is wrong: "amount: too large." belongs to the field of that name."""
    field, _, told = wrong.message.partition(": ")
    if told and field in form.fields:
        form.add_error(field, told)
    else:
        form.add_error(None, wrong.message)


def found(admin: "ModelAdmin[Row]", request: HttpRequest, object_id: str) -> Row:
    """The row that a page is about; raises Http404 for one that is not there."""
    row = admin.get_object(request, object_id)
    if row is None:
        raise Http404
    return row


def page_of(about: Model | None, *, admin: "ModelAdmin[Any]") -> str:
    """The object's page, or the list where there is none."""
    site, options = admin.admin_site.name, admin.opts
    if about is None:
        return reverse(f"{site}:{options.app_label}_{options.model_name}_changelist")
    return reverse(f"{site}:{about._meta.app_label}_{about._meta.model_name}_change", args=[about.pk])


def to_add_page(app: str, model: str, **initial: object) -> HttpResponse:
    """Go to a model's add page, its form filled in with `initial`."""
    return HttpResponseRedirect(f"{reverse(f'admin:{app}_{model}_add')}?{urlencode(initial)}")
