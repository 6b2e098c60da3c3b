"""The budget: what an account spends at most by its own choice, and stopping everything."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from alwrity_billing.dashboard import settings_access
from alwrity_billing.dashboard.addresses import page_url
from alwrity_billing.dashboard.alert_forms import refuse
from alwrity_billing.dashboard.billing_views import refused
from alwrity_billing.dashboard.budget_figures import bounds_of
from alwrity_billing.dashboard.budget_forms import BudgetForm, PauseForm, form_of
from alwrity_billing.dashboard.definitions import SETTINGS
from alwrity_billing.dashboard.settings_access import CHANGES_BUDGETS
from alwrity_billing.dashboard.visits import Visit, account_page
from subscriptions import budget_settings, budgets
from subscriptions.budget_protection import budget_of
from subscriptions.models import Budget
from usage.core.errors import BillingError, InvalidRequest


@require_http_methods(["GET", "HEAD", "POST"])
@account_page
def budget(request: HttpRequest, visit: Visit) -> HttpResponse:
    """How the budget stands, and on POST other settings."""
    if request.method != "POST":
        return _show(request, visit)
    settings_access.require(visit, CHANGES_BUDGETS)
    form = BudgetForm(request.POST)
    if form.is_valid():
        try:
            budgets.update(visit.account, changes=form.changes(), at=visit.at, by=visit.actor)
        except InvalidRequest as error:
            refuse(form, error)
    if not form.is_valid():
        return _show(request, visit, form=form)
    messages.success(request, "The budget is saved. It holds from the next call on.")
    return redirect(page_url(request, "settings_budget"))


@require_POST
@account_page
def pause(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Refuse all calls, until somebody resumes them."""
    settings_access.require(visit, CHANGES_BUDGETS)
    form = PauseForm(request.POST)
    if not form.is_valid():
        return _show(request, visit, pausing=form)
    try:
        budgets.pause(visit.account, reason=form.cleaned_data["reason"], at=visit.at, by=visit.actor)
    except BillingError as error:
        refused(request, error)
    else:
        messages.success(request, "All calls are paused. Resume them here.")
    return redirect(page_url(request, "settings_budget"))


@require_POST
@account_page
def resume(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Let calls pass again."""
    settings_access.require(visit, CHANGES_BUDGETS)
    try:
        budgets.resume(visit.account, at=visit.at, by=visit.actor)
    except BillingError as error:
        refused(request, error)
    else:
        messages.success(request, "Calls pass again.")
    return redirect(page_url(request, "settings_budget"))


def _show(
    request: HttpRequest,
    visit: Visit,
    *,
    form: BudgetForm | None = None,
    pausing: PauseForm | None = None,
) -> HttpResponse:
    found = budget_of(visit.account) or Budget(account=visit.account)
    version = None if visit.subscription is None else visit.subscription.plan_version
    context = {
        **visit.frame(),
        "may_change_budget": settings_access.may(visit, CHANGES_BUDGETS),
        "budget": found,
        "bounds": bounds_of(visit.account, found, at=visit.at),
        "thresholds": budget_settings.alert_thresholds(found, version),
        "form": form_of(found) if form is None else form,
        "pausing": PauseForm() if pausing is None else pausing,
        "definitions": SETTINGS,
    }
    return render(request, "dashboard/settings/budget.html", context)
