"""POST /api/subscription/webhook: what Stripe tells us. Its signature is the credential."""

from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from subscriptions import tasks
from subscriptions.stripe import inbox


@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> JsonResponse:
    """Store the event and answer; it is processed afterwards. 400 for what Stripe did not sign."""
    # One byte more than allowed, so that too much is noticed without reading all of it.
    body = request.read(inbox.MAX_BODY_BYTES + 1)
    inbox.receive(body, signature=request.headers.get("Stripe-Signature", ""), at=timezone.now())
    tasks.soon(tasks.process_stripe_events)
    return JsonResponse({"success": True, "data": {"received": True}})
