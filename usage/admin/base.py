"""What the admin pages of this project have in common, on top of django-unfold's."""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.forms import Field, ModelChoiceField, ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin, TabularInline

NUL = "\x00"


class ProjectAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """A model's pages in the project's look."""

    list_filter_submit = True
    compressed_fields = True

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # Before the buttons are chosen, which look the row up as well.
        if object_id is not None and not self.may_be_id(unquote(object_id)):
            raise Http404
        return cast(HttpResponse, super().changeform_view(request, object_id, form_url, extra_context))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        return None if NUL in object_id else super().get_object(request, object_id, from_field)

    def may_be_id(self, object_id: str) -> bool:
        """Whether a row of that id could be there at all."""
        try:
            self.opts.pk.to_python(object_id)
        except ValidationError:
            return False
        return NUL not in object_id

    def construct_change_message(
        self, request: HttpRequest, form: "ModelForm[Any]", formsets: Any, add: bool = False
    ) -> Any:
        """Django's own words, and for what changed also each field's value before and after."""
        message = super().construct_change_message(request, form, formsets, add)
        if add:
            return message
        beside = [each for each in message if _names_its_object(each)]
        _tell_changes(beside, [row for formset in formsets for row in _changed_rows(formset)])
        own = [{"changed": {"fields": _changes(form)}}] if form.changed_data else []
        return own + beside


def _names_its_object(change: dict[str, dict[str, Any]]) -> bool:
    """Whether a part of the history message is about a row beside the one that was edited."""
    return any("object" in about for about in change.values())


def _tell_changes(parts: "Sequence[dict[str, dict[str, Any]]]", changed: "Sequence[ModelForm[Any]]") -> None:
    """Have the parts about changed rows say what changed; Django writes one for each, in this order."""
    for part, row in zip((part for part in parts if "changed" in part), changed, strict=True):
        part["changed"]["fields"] = _changes(row)


def _changed_rows(formset: Any) -> "list[ModelForm[Any]]":
    """The forms of the rows that were there before, were changed and are to stay."""
    return [row for row in formset.initial_forms if row.has_changed() and row not in formset.deleted_forms]


def _changes(form: "ModelForm[Any]") -> list[str]:
    return [
        f"{name}: {_spell(form.fields[name], form.initial.get(name))}"
        f" → {_spell(form.fields[name], form.cleaned_data.get(name))}"
        for name in form.changed_data
    ]


def _spell(field: Field, value: Any) -> str:
    """A field's value for people. Of a chosen row a form knows only the id to begin with."""
    if isinstance(field, ModelChoiceField) and field.queryset is not None and not isinstance(value, Model):
        value = field.queryset.filter(pk=value).first() or value
    return str(value)


class ReadOnlyAdmin(ProjectAdmin):
    """Rows that staff may look at and only the program writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ActionAdmin(ProjectAdmin):
    """Rows whose fields nobody edits: all that may happen to one is an action, by list or by button."""

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else tuple(self.fields)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        no_saving = {"show_save": False, "show_save_and_continue": False, "show_save_and_add_another": False}
        answer = super().change_view(request, object_id, form_url, {**(extra_context or {}), **no_saving})
        return cast(HttpResponse, answer)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Run the button that was pressed; the row itself is written by the operation behind it."""
        for action in self.get_actions_submit_line(request, obj.pk):
            if action.action_name in request.POST:
                action.method(request, obj)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        # The form saved nothing; an action that did something says so itself.
        if message:
            super().log_change(request, obj, message)

    def response_change(self, request: HttpRequest, obj: Model) -> HttpResponse:
        return HttpResponseRedirect(request.get_full_path())


class ReadOnlyInline(TabularInline):  # type: ignore[misc]
    """Rows beside their parent, each with a link to its own page."""

    extra = 0
    show_change_link = True
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def staff_user(request: HttpRequest) -> User:
    """Whoever is at work in the admin, whose pages let nobody else in."""
    return cast(User, request.user)
