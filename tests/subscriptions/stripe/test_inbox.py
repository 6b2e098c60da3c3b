"""Webhooks: taken only from Stripe, each once, and processed whatever goes wrong on the way."""

import json
from datetime import timedelta
from typing import Any

import pytest
import stripe
from django.utils import timezone

from subscriptions import plans
from subscriptions.models import CompletedCheckout, StripeEvent, StripeEventState, SubscriptionPlan
from subscriptions.stripe import inbox
from subscriptions.stripe.simulator.server import Simulator
from tests.support.cast import NOW, an_account
from tests.support.concurrency import at_once
from tests.support.paying import (
    a_checkout,
    a_saved_card,
    an_event_of_stripe,
    an_invoice,
    collection_of,
    processed,
    pushed,
    signed,
)
from tests.support.subscribing import a_plan
from usage.core.errors import InvalidRequest, TooLarge

pytestmark = pytest.mark.django_db


def receive(body: str, *, signature: str | None = None, **options: Any) -> None:
    given = signed(body) if signature is None else signature
    inbox.receive(body.encode(), signature=given, at=timezone.now(), **options)


class TestReceiving:
    def test_what_stripe_signed_is_stored_as_it_came_and_waits(self) -> None:
        body = an_event_of_stripe("invoice.paid", object_id="in_1")

        receive(body)

        event = StripeEvent.objects.get()
        assert (event.type, event.object_id, event.body) == ("invoice.paid", "in_1", body)
        assert event.state == StripeEventState.RECEIVED

    def test_the_same_event_is_stored_once(self) -> None:
        body = an_event_of_stripe("plan.created")

        receive(body)
        processed()
        receive(body)

        assert StripeEvent.objects.get().state == StripeEventState.IGNORED

    @pytest.mark.parametrize(
        "signature", ["", "t=1", "v1=abc", "t=x,v1=abc", "t=1764000000,v1=00", "t=1764000000,v1=\xe9"]
    )
    def test_what_nobody_signed_is_refused(self, signature: str) -> None:
        with pytest.raises(InvalidRequest) as refused:
            receive(an_event_of_stripe("invoice.paid"), signature=signature)

        assert refused.value.error_code == "signature_invalid"
        assert not StripeEvent.objects.exists()

    def test_what_another_signed_is_refused(self) -> None:
        body = an_event_of_stripe("invoice.paid")
        signature = stripe.WebhookSignature.generate_signature_header(body, "whsec_of_somebody_else")

        with pytest.raises(InvalidRequest):
            receive(body, signature=signature)

    def test_a_signature_with_more_than_one_time_in_its_time_is_refused(self) -> None:
        body = an_event_of_stripe("invoice.paid")
        time, scheme = signed(body).split(",")

        with pytest.raises(InvalidRequest):
            receive(body, signature=f"{time}=1,{scheme}")

    @pytest.mark.parametrize("is_live", [False, True])
    def test_an_event_of_the_other_mode_is_refused(self, is_live: bool, settings: Any) -> None:
        settings.STRIPE_LIVEMODE = not is_live

        with pytest.raises(InvalidRequest) as refused:
            receive(an_event_of_stripe("invoice.paid", livemode=is_live))

        assert refused.value.error_code == "mode_differs"
        assert not StripeEvent.objects.exists()

    def test_a_live_event_is_taken_where_payments_are_real(self, settings: Any) -> None:
        settings.STRIPE_LIVEMODE = True

        receive(an_event_of_stripe("invoice.paid", livemode=True))

        assert StripeEvent.objects.get().livemode

    def test_a_byte_more_than_was_signed_is_refused(self) -> None:
        body = an_event_of_stripe("invoice.paid")

        with pytest.raises(InvalidRequest):
            receive(body + " ", signature=signed(body))

    @pytest.mark.parametrize("age_s", [-301, 301])
    def test_what_was_signed_long_ago_or_ahead_is_refused(self, age_s: int) -> None:
        body = an_event_of_stripe("invoice.paid")
        signature = signed(body, at=timezone.now() - timedelta(seconds=age_s))

        with pytest.raises(InvalidRequest) as refused:
            receive(body, signature=signature)

        assert refused.value.error_code == "signature_stale"

    def test_what_is_too_long_is_refused_before_it_is_looked_at(self) -> None:
        with pytest.raises(TooLarge):
            inbox.receive(b" " * (inbox.MAX_BODY_BYTES + 1), signature="", at=timezone.now())

    @pytest.mark.parametrize(
        "body",
        [
            "", "{", "[]", "null", '{"id": "evt_1"}', json.dumps({"id": 1, "type": "a", "data": {}}),
            an_event_of_stripe("invoice.paid", event_id="e" * 65),
            an_event_of_stripe("invoice.paid", event_id="a\x00b"),
        ],
    )  # fmt: skip
    def test_what_is_no_event_is_refused(self, body: str) -> None:
        with pytest.raises(InvalidRequest) as refused:
            receive(body)

        assert refused.value.error_code == "event_invalid"

    def test_what_is_no_text_is_refused(self) -> None:
        with pytest.raises(InvalidRequest):
            inbox.receive(b"\xff", signature="t=1,v1=00", at=timezone.now())

    def test_without_a_secret_nothing_is_taken(self, settings: Any) -> None:
        settings.STRIPE_WEBHOOK_SECRET = ""
        body = an_event_of_stripe("invoice.paid")

        with pytest.raises(InvalidRequest):
            receive(body, signature=stripe.WebhookSignature.generate_signature_header(body, ""))


class TestProcessing:
    @pytest.mark.parametrize("kind", ["plan.created", "invoice.upcoming", "customer.subscription.updated"])
    def test_what_is_of_no_interest_is_ignored(self, kind: str) -> None:
        receive(an_event_of_stripe(kind))

        processed()

        assert StripeEvent.objects.get().state == StripeEventState.IGNORED

    @pytest.mark.parametrize("kind", ["invoice.paid", "charge.refunded", "customer.updated"])
    def test_what_is_gone_or_not_ours_is_ignored(self, at_stripe: Simulator, kind: str) -> None:
        receive(an_event_of_stripe(kind, object_id="in_nowhere"))

        processed()

        assert StripeEvent.objects.get().state == StripeEventState.IGNORED

    def test_while_stripe_is_away_an_event_waits_longer_and_longer(self, at_stripe: Simulator) -> None:
        at_stripe.faults.add(method="GET", path=".*", kind="connection_reset", times=20)
        receive(an_event_of_stripe("invoice.paid", object_id="in_1"))
        waits = []

        for _ in range(inbox.MOST_ATTEMPTS + 1):
            before = StripeEvent.objects.get().next_attempt_at
            assert before is not None
            inbox.process_due(at=before, limit=1)
            after = StripeEvent.objects.get().next_attempt_at
            assert after is not None
            waits.append(after - before)

        assert waits == sorted(waits)
        assert (waits[0], waits[-1]) == (inbox.FIRST_RETRY, timedelta(minutes=256))
        assert StripeEvent.objects.get().state == StripeEventState.RECEIVED

    def test_poison_is_parked_with_its_reason_and_run_again_by_hand(self, at_stripe: Simulator) -> None:
        account = an_account()
        plan = a_plan()
        session_id = a_checkout(account, plan=plan)
        plans.retire(plan, at=NOW)
        receive(an_event_of_stripe("checkout.session.completed", object_id=session_id))

        for day in range(inbox.MOST_ATTEMPTS):
            processed(at=timezone.now() + timedelta(days=day))

        event = StripeEvent.objects.get()
        assert (event.state, event.attempts) == (StripeEventState.PARKED, inbox.MOST_ATTEMPTS)
        assert event.error.startswith("plan_")
        assert not CompletedCheckout.objects.exists()
        SubscriptionPlan.objects.update(retired_at=None)
        inbox.run_again(event, at=timezone.now())
        processed()
        event.refresh_from_db()
        assert (event.state, event.error) == (StripeEventState.DONE, "")
        assert CompletedCheckout.objects.get().account == account

    def test_one_event_that_fails_holds_up_no_other(self, at_stripe: Simulator) -> None:
        account = an_account()
        a_saved_card(account)
        invoice = an_invoice(account)
        pushed()
        twin_id = collection_of(invoice).stripe_invoice_id or ""
        at_stripe.faults.add(method="GET", path="/v1/charges/ch_1", kind="error_500")
        receive(an_event_of_stripe("charge.succeeded", object_id="ch_1", created=1))
        receive(an_event_of_stripe("invoice.paid", object_id=twin_id, created=2))

        processed()

        states = dict(StripeEvent.objects.values_list("type", "state"))
        assert states == {"charge.succeeded": "received", "invoice.paid": "done"}


@pytest.mark.django_db(transaction=True)
class TestWorkers:
    def test_the_same_webhook_at_once_is_stored_once(self) -> None:
        body = an_event_of_stripe("invoice.paid")

        at_once(lambda _: receive(body), times=4)

        assert StripeEvent.objects.count() == 1

    def test_of_workers_at_once_one_gets_the_event(self) -> None:
        receive(an_event_of_stripe("plan.created"))
        now = timezone.now()

        tried = at_once(lambda _: inbox.process_due(at=now, limit=1), times=4)

        assert sorted(tried) == [0, 0, 0, 1]
        assert StripeEvent.objects.get().attempts == 1

    def test_the_event_of_a_worker_that_died_comes_due_again(self) -> None:
        receive(an_event_of_stripe("plan.created"))
        now = timezone.now()
        StripeEvent.objects.update(claimed_until=now + inbox.LEASE)

        assert inbox.process_due(at=now + inbox.LEASE - timedelta(seconds=1), limit=1) == 0
        assert inbox.process_due(at=now + inbox.LEASE, limit=1) == 1


def test_nothing_that_is_secret_is_said(settings: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        receive("{}", signature="t=1,v1=00")

    assert settings.STRIPE_WEBHOOK_SECRET not in str(refused.value)
