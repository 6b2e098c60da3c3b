"""What time alone does: sessions expire, drafts that advance by themselves become final."""

from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.resources import checkout_sessions, invoice_steps
from subscriptions.stripe.simulator.store import Store
from subscriptions.stripe.simulator.wire import ApiError


def sweep(store: Store, *, now: int, base_url: str) -> None:
    call = Call(store=store, now=now, base_url=base_url)
    with store.transaction():
        due = {"status": "open", "expires_at": {"lte": now}}
        for session in store.select("checkout.session", matching=due):
            checkout_sessions.expired(call, session)
        advancing = {"status": "draft", "auto_advance": True, "automatically_finalizes_at": {"lte": now}}
        for draft in store.select("invoice", matching=advancing):
            _finalize(call, draft["id"])


def _finalize(call: Call, invoice_id: str) -> None:
    draft = call.get("invoice", invoice_id)
    try:
        with call.store.savepoint():
            invoice_steps.finalized(call, draft)
    except ApiError as refused:
        error = {"code": refused.code, "message": refused.message, "type": refused.kind}
        failed = call.change(draft, auto_advance=False, last_finalization_error=error)
        call.emit("invoice.finalization_failed", failed)
