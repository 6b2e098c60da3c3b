"""Beginning the next version of a plan: a page with a button, for looking at an address changes nothing."""

from collections.abc import Mapping
from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from subscriptions import plans
from subscriptions.actors import of_user
from subscriptions.models import SubscriptionPlan
from usage.admin import operations
from usage.admin.base import staff_user
from usage.admin.operations import Operation


def edit(plan: SubscriptionPlan, *, admin: "ModelAdmin[Any]", request: HttpRequest) -> HttpResponse:
    """Lead to the plan's draft; where there is none, ask whether to begin one."""
    draft = plan.versions.filter(published_at__isnull=True).first()
    if draft is not None:
        return HttpResponseRedirect(operations.page_of(draft, admin=admin))

    def act(_: Mapping[str, Any]) -> str:
        begun = plans.draft_of(plan, by=of_user(staff_user(request)), at=timezone.now())
        return f"{begun} is yours to edit."

    operation = Operation(
        title=f"Edit the terms of {plan.name}",
        explanation="A draft of the next version begins as a copy of the newest one. Nothing changes for "
        "anybody until it is published.",
        act=act,
        submit="Begin a draft",
        # This same address, which now leads to the draft.
        done=request.path,
    )
    return operations.run(operation, admin=admin, request=request, about=plan)
