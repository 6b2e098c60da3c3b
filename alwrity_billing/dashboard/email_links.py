"""The pages that links in emails lead to. They need no login: the token in the address is the permission.

A GET only shows what a POST would do, since mail scanners follow every link. The POST needs no CSRF token:
mail programs send it by themselves (RFC 8058), and who has the token could send one anyway.
"""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from alerts import confirming, destinations, unsubscribing
from alerts.recipient_tokens import UnknownToken


@never_cache
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Stop the emails of an account to one recipient."""
    try:
        recipient = unsubscribing.read(token)
    except UnknownToken as unknown:
        raise Http404 from unknown
    if request.method == "POST":
        unsubscribing.unsubscribe(recipient, at=timezone.now())
        recipient = unsubscribing.read(token)
    return render(request, "alerts/unsubscribe.html", {"recipient": recipient})


@never_cache
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Let alerts of an account be sent to an address."""
    try:
        address = confirming.read(token)
    except UnknownToken as unknown:
        raise Http404 from unknown
    if request.method == "POST":
        destinations.confirm(address.channel, at=timezone.now())
        address = confirming.read(token)
    return render(request, "alerts/confirm.html", {"address": address})
