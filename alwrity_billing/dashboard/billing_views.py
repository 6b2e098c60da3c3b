"""The pages about paying: billing, invoices, and the ways to Stripe's own pages."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from alwrity_billing.dashboard.addresses import page_url
from alwrity_billing.dashboard.billing import billing_of, invoice_page
from alwrity_billing.dashboard.definitions import BILLING
from alwrity_billing.dashboard.transactions import transactions_page
from alwrity_billing.dashboard.visits import Visit, account_page
from subscriptions import changes, invoice_queries, lifecycle
from subscriptions.api.invoices import pdf_response
from subscriptions.models import UserSubscription
from subscriptions.stripe import checkout
from subscriptions.stripe.errors import StripeError, StripeOff
from usage.core.errors import BillingError

REFRESH_S = 3
# How long the page waits for Stripe to confirm what was done on a page of its own.
STRIPE_CONFIRMS_WITHIN = timedelta(minutes=2)
MAX_PAGE = 1_000


@require_safe
@account_page
def billing(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The subscription, the card, the next invoice and those before. Comes again by itself while a payment
    is on its way.
    """
    page = billing_of(
        visit.account, visit.subscription, visit.profile, number=_page_number(request), at=visit.at
    )
    is_waiting = takes_cards() and (page.payment_on_its_way or _waits_for_stripe(request, visit))
    context = {
        **visit.frame(),
        "page": page,
        "definitions": BILLING,
        "is_waiting": is_waiting,
        "takes_cards": takes_cards(),
    }
    response = render(request, "dashboard/billing.html", context)
    if is_waiting:
        response["Refresh"] = str(REFRESH_S)
    return response


@require_safe
@account_page
def transactions(request: HttpRequest, visit: Visit) -> HttpResponse:
    """What was invoiced, paid and given back, and what became of the account's credits."""
    page = transactions_page(
        visit.account,
        number=_page_number(request),
        entries_number=_page_number(request, "credits"),
        at=visit.at,
    )
    return render(
        request, "dashboard/transactions.html", {**visit.frame(), "page": page, "definitions": BILLING}
    )


@require_safe
@account_page
def invoice(request: HttpRequest, visit: Visit, number: str) -> HttpResponse:
    """An invoice of the account; 404 for one of others."""
    found = invoice_queries.invoice_of(visit.account, number)
    context = {**visit.frame(), "page": invoice_page(found), "definitions": BILLING}
    return render(request, "dashboard/invoice.html", context)


@require_safe
@account_page
def invoice_pdf(request: HttpRequest, visit: Visit, number: str) -> HttpResponse:
    """The same on paper."""
    return pdf_response(invoice_queries.invoice_of(visit.account, number))


@require_POST
@account_page
def cancel(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Let the subscription end with its term."""
    return _change(
        request,
        visit,
        lambda subscription: lifecycle.cancel(subscription, at=visit.at, by=visit.actor),
        done="Your subscription ends with the term you have paid for. Until then nothing changes.",
    )


@require_POST
@account_page
def keep(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Withdraw what is scheduled for the term's end, a cancellation or another plan."""
    return _change(
        request,
        visit,
        lambda subscription: changes.withdraw(subscription, at=visit.at, by=visit.actor),
        done="Your subscription stays as it is.",
    )


@require_POST
@account_page
def card(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Lead to the page of Stripe's on which a card is saved."""
    visit.require_change()
    back = return_url(request, visit)
    return leave(request, visit, lambda: checkout.card_url(visit.account, return_url=back, at=visit.at))


@require_POST
@account_page
def portal(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Lead to the page of Stripe's on which cards are managed."""
    visit.require_change()
    back = return_url(request, visit)
    return leave(request, visit, lambda: checkout.portal_url(visit.account, return_url=back, at=visit.at))


def takes_cards() -> bool:
    """Whether this installation takes card payments at all."""
    return bool(settings.STRIPE_MODE != "off")


def return_url(request: HttpRequest, visit: Visit) -> str:
    """The billing page, which then waits for what Stripe confirms of what was done after `visit`."""
    return request.build_absolute_uri(page_url(request, "billing", since=int(visit.at.timestamp())))


def leave(request: HttpRequest, visit: Visit, address: Callable[[], str]) -> HttpResponse:
    """A page that goes on to an address of Stripe's by itself.

    Not a redirect: the policy that forms lead nowhere but here holds for where they are redirected as well.
    """
    try:
        url = address()
    except StripeOff:
        messages.error(request, "Cards are not taken here: what an invoice asks for is paid another way.")
        return redirect(page_url(request, "billing"))
    except StripeError:
        messages.error(request, "Our payment provider cannot be reached just now. Try again in a minute.")
        return redirect(page_url(request, "billing"))
    except BillingError as error:
        refused(request, error)
        return redirect(page_url(request, "billing"))
    response = render(request, "dashboard/leaving.html", {**visit.frame(), "url": url})
    response["Refresh"] = f"0; url={url}"
    return response


def refused(request: HttpRequest, error: BillingError) -> None:
    """Tell on the next page why something was not done. Raises what is not about the account's state."""
    if error.status not in (HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.CONFLICT):
        raise error
    messages.error(request, error.message)


def _change(
    request: HttpRequest,
    visit: Visit,
    change: Callable[[UserSubscription], UserSubscription],
    *,
    done: str,
) -> HttpResponseRedirect:
    visit.require_change()
    if visit.subscription is not None:
        try:
            change(visit.subscription)
        except BillingError as error:
            refused(request, error)
        else:
            messages.success(request, done)
    return redirect(page_url(request, "billing"))


def _page_number(request: HttpRequest, of: str = "page") -> int:
    asked = request.GET.get(of, "")
    return min(max(int(asked[:6]), 1), MAX_PAGE) if asked.isascii() and asked.isdecimal() else 1


def _waits_for_stripe(request: HttpRequest, visit: Visit) -> bool:
    """Whether somebody has just come back from saving a card, and Stripe has not told us of it yet."""
    since = request.GET.get("since", "")
    if request.GET.get("checkout") != "done" or not (since.isascii() and since.isdecimal()):
        return False
    left_at = datetime.fromtimestamp(min(int(since[:12]), int(visit.at.timestamp())), tz=UTC)
    card_is_new = visit.profile is not None and visit.profile.has_card and visit.profile.updated_at >= left_at
    return visit.at - left_at <= STRIPE_CONFIRMS_WITHIN and not card_is_new
