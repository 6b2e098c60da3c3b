"""The pages on which a plan is chosen: all side by side, then one with what it comes to, to be confirmed."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from alwrity_billing.dashboard.addresses import page_url
from alwrity_billing.dashboard.billing_views import leave, refused, return_url, takes_cards
from alwrity_billing.dashboard.definitions import BILLING
from alwrity_billing.dashboard.plan_choice import plans_of
from alwrity_billing.dashboard.visits import Visit, account_page
from subscriptions import changes, offers, plans, queries, tasks
from subscriptions.core.terms import BillingCycle
from subscriptions.invoice_texts import day
from subscriptions.models import SubscriptionPlan
from subscriptions.offers import Offer, OfferKind
from subscriptions.stripe import checkout
from usage.core.errors import BillingError, Conflict
from usage.core.money import CENT, parse_amount

# While people read, time goes on, and a day of a year is cheaper than one of a month: what is due may rise by
# a little, a thousandth or a cent.
TOLERANCE = Decimal("1.001")


@require_safe
@account_page
def choose_plan(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The plans side by side, under the cycle that `?cycle=` names or the account has."""
    usual = BillingCycle.MONTHLY if visit.subscription is None else visit.subscription.cycle
    cycle = _cycle(request.GET.get("cycle", ""), usual=usual)
    page = plans_of(visit.account, visit.subscription, cycle=cycle, at=visit.at)
    return render(request, "dashboard/plans.html", {**visit.frame(), "page": page, "definitions": BILLING})


@require_http_methods(["GET", "HEAD", "POST"])
@account_page
def confirm_plan(request: HttpRequest, visit: Visit, plan_id: str) -> HttpResponse:
    """A plan with what it comes to now, and on POST its choice."""
    if request.method == "POST":
        visit.require_change()
    plan = queries.plan_known_to(visit.account, plan_id=int(plan_id), at=visit.at)
    if plan is None:
        raise Http404
    asked = request.POST if request.method == "POST" else request.GET
    cycle = _cycle(asked.get("cycle", ""), usual=BillingCycle.MONTHLY)
    offer = _offer(visit, plan, cycle)
    if request.method == "POST" and not offer.refusal:
        if _agreed(request, offer):
            return _choose(request, visit, plan, offer)
        messages.warning(request, "The amount has changed since you looked: confirm it once more.")
    context = {
        **visit.frame(),
        "offer": offer,
        "kinds": {kind.name: kind for kind in OfferKind},
        "card": visit.profile if visit.profile is not None and visit.profile.has_card else None,
        "needs_card": _needs_card(visit, offer),
        "definitions": BILLING,
    }
    return render(request, "dashboard/confirm_plan.html", context)


def _offer(visit: Visit, plan: SubscriptionPlan, cycle: BillingCycle) -> Offer:
    version = plans.version_at(plan, at=visit.at)
    return offers.offer_of(visit.account, visit.subscription, version, cycle, at=visit.at)


def _choose(request: HttpRequest, visit: Visit, plan: SubscriptionPlan, offer: Offer) -> HttpResponse:
    if _needs_card(visit, offer):
        back = return_url(request, visit)
        return leave(
            request,
            visit,
            lambda: checkout.checkout_url(
                visit.account, plan=plan, cycle=offer.cycle, return_url=back, at=visit.at
            ),
        )
    try:
        _subscribe(visit, plan, offer.cycle)
    except BillingError as error:
        refused(request, error)
        return redirect(page_url(request, "choose_plan"))
    tasks.soon(tasks.invoice_subscription_changes)
    messages.success(request, _done(offer))
    return redirect(page_url(request, "billing"))


def _subscribe(visit: Visit, plan: SubscriptionPlan, cycle: BillingCycle) -> None:
    wanted: dict[str, Any] = {"plan": plan, "cycle": cycle, "at": visit.at, "by": visit.actor}
    by_staff = visit.speaks_for_us
    try:
        changes.subscribe(visit.account, **wanted, by_staff=by_staff)
    except Conflict:
        # The button may have been pressed twice: asked again, it finds done what it wants.
        changes.subscribe(visit.account, **wanted, by_staff=by_staff)


def _needs_card(visit: Visit, offer: Offer) -> bool:
    """Whether a card has to be saved first, since something is charged with the change."""
    has_card = visit.profile is not None and visit.profile.has_card
    return bool(offer.lines) and not has_card and not visit.speaks_for_us and takes_cards()


def _agreed(request: HttpRequest, offer: Offer) -> bool:
    """Whether what is due is no more than what the person has seen and confirmed."""
    try:
        seen = parse_amount(request.POST.get("due", ""))
    except ValueError:
        return False
    return offer.due <= seen * TOLERANCE + CENT


def _cycle(asked: str, *, usual: BillingCycle) -> BillingCycle:
    return BillingCycle(asked) if asked in set(BillingCycle) else usual


def _done(offer: Offer) -> str:
    name = f"{offer.version.plan.name}, {offer.cycle.value}"
    match offer.kind:
        case OfferKind.AT_TERM_END:
            return f"{name} begins on {day(offer.term.start)}. Until then nothing changes."
        case OfferKind.KEEP:
            return f"You stay on {name}."
        case OfferKind.TRIAL:
            return f"Your trial of {name} has begun. It ends on {day(offer.term.end)}."
    return f"You are on {name} now."
