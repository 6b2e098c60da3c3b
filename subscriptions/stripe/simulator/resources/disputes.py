"""Disputes: a holder asked the bank for the money back."""

from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.listing import page
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError

OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")


def retrieve(call: Call) -> Json:
    return call.at_path("dispute", param="dispute")


def update(call: Call) -> Json:
    """Evidence and metadata; submitting leaves the bank to decide."""
    dispute = call.at_path("dispute", param="dispute")
    changes: Json = {"metadata": call.with_metadata(dispute)}
    if evidence := call.params.get("evidence"):
        changes["evidence"] = {**dispute["evidence"], **evidence}
        details = {**dispute["evidence_details"], "has_evidence": True}
        if call.params.get("submit", True):
            _check_open(dispute)
            changes["status"] = "under_review"
            details |= {"submission_count": details["submission_count"] + 1, "submission_method": "manual"}
        changes["evidence_details"] = details
    return call.change(dispute, event="charge.dispute.updated", **changes)


def close(call: Call) -> Json:
    """Closing by the seller means giving up: the dispute is lost."""
    dispute = call.at_path("dispute", param="dispute")
    return decide(call, dispute, is_won=False)


def decide(call: Call, dispute: Json, *, is_won: bool) -> Json:
    """The bank's last word. What was withdrawn comes back if the seller won."""
    _check_open(dispute)
    closed = call.change(dispute, event="charge.dispute.closed", status="won" if is_won else "lost")
    if is_won:
        call.emit("charge.dispute.funds_reinstated", closed)
    return closed


def _check_open(dispute: Json) -> None:
    if dispute["status"] not in OPEN:
        raise ApiError("This dispute is already closed")


def list_disputes(call: Call) -> Json:
    matching = {name: call.params.get(name) for name in ("charge", "payment_intent")}
    return page(call, "dispute", url="/v1/disputes", matching=matching)


ROUTES = [
    Route("GET", "/v1/disputes", "DisputeListParams", list_disputes),
    Route("GET", "/v1/disputes/*", "DisputeRetrieveParams", retrieve),
    Route("POST", "/v1/disputes/*", "DisputeUpdateParams", update),
    Route("POST", "/v1/disputes/*/close", "DisputeCloseParams", close),
]
