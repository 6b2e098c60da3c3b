"""The admin of the project: its people in the project's look, and no pages that would mislead."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as StockGroupAdmin
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.contrib.auth.models import Group, User
from django_celery_results.models import GroupResult, TaskResult
from rest_framework_api_key.models import APIKey
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from alwrity_billing import admin_clock as admin_clock
from usage.admin.base import ReadOnlyAdmin

# Keys are usage.ApiKey; the stock table opens nothing here.
admin.site.unregister(APIKey)
admin.site.unregister([User, Group, TaskResult, GroupResult])


@admin.register(User)
class UserAdmin(StockUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]  # unfold has no types
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(StockGroupAdmin, ModelAdmin):  # type: ignore[misc]
    pass


@admin.register(TaskResult)
class TaskResultAdmin(ReadOnlyAdmin):
    """Tasks that failed; those that succeeded are not kept."""

    list_display = ["date_done", "task_name", "status", "worker"]
    list_filter = ["status", "date_done", "task_name"]
    search_fields = ["task_name", "task_id", "result"]
    fields = [
        "task_name", "task_id", "status", "worker", "date_created", "date_started", "date_done", "result",
        "traceback",
    ]  # fmt: skip
    ordering = ["-date_done"]
