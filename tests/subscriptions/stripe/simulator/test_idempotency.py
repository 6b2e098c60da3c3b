"""A call is done once per idempotency key."""

import threading
from typing import Any

import stripe

from subscriptions.stripe.simulator.server import Simulator
from subscriptions.stripe.simulator.store import Store
from tests.support.concurrency import at_once
from tests.support.processes import wait_until
from tests.support.stripe_simulator import PATIENCE_S, a_customer, an_open_invoice, event_types, refused, v1

KEY = {"idempotency_key": "once"}


def test_a_repeated_call_gets_the_first_answer(api: Any) -> None:
    first = api.customers.create({"name": "Ada"}, KEY)
    again = api.customers.create({"name": "Ada"}, KEY)

    assert again.id == first.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert len(api.customers.list().data) == 1


def test_the_first_answer_is_kept_even_if_the_object_changed(api: Any) -> None:
    first = api.customers.create({"name": "Ada"}, KEY)
    api.customers.update(first.id, {"name": "Grace"})

    assert api.customers.create({"name": "Ada"}, KEY).name == "Ada"


def test_other_parameters_are_a_mistake(api: Any) -> None:
    api.customers.create({"name": "Ada"}, KEY)

    with refused(stripe.IdempotencyError) as error:
        api.customers.create({"name": "Grace"}, KEY)

    assert error().http_status == 400


def test_another_path_is_a_mistake(api: Any) -> None:
    customer = api.customers.create({}, KEY)

    with refused(stripe.IdempotencyError) as error:
        api.customers.update(customer.id, {}, KEY)

    assert "'/v1/customers'" in error().user_message


def test_a_decline_is_repeated_and_not_tried_again(api: Any) -> None:
    invoice = an_open_invoice(api, a_customer(api, card="pm_card_chargeCustomerFail"))
    for _ in range(2):
        with refused(stripe.CardError) as error:
            api.invoices.pay(invoice.id, {}, KEY)
        assert error().code == "card_declined"

    assert error().headers["Idempotent-Replayed"] == "true"
    assert api.invoices.retrieve(invoice.id).attempt_count == 1


def test_a_call_with_bad_parameters_uses_no_key(api: Any) -> None:
    with refused():
        api.customers.create({"nmae": "Ada"}, KEY)

    assert api.customers.create({"name": "Ada"}, KEY).name == "Ada"


def test_a_failure_before_the_call_uses_no_key(simulator: Simulator, api: Any) -> None:
    simulator.faults.add(method="POST", path="/v1/customers", kind="error_500")
    with refused(stripe.APIError):
        api.customers.create({"name": "Ada"}, KEY)

    made = api.customers.create({"name": "Ada"}, KEY)

    assert "Idempotent-Replayed" not in made.last_response.headers


def test_the_event_names_the_key(api: Any) -> None:
    api.customers.create({}, KEY)

    (event,) = api.events.list().data
    assert event.request.idempotency_key == "once"


def test_calls_at_once_with_one_key_make_one_object(simulator: Simulator) -> None:
    def create(_: int) -> str:
        made: str = v1(simulator, retries=10).customers.create({"name": "Ada"}, KEY).id
        return made

    assert len(set(at_once(create, times=6))) == 1
    assert event_types(v1(simulator)) == ["customer.created"]


def test_a_key_in_use_is_a_conflict(simulator: Simulator) -> None:
    answers: list[str] = []

    def create() -> None:
        try:
            answers.append(v1(simulator).customers.create({}, KEY).object)
        except stripe.APIError as refused:
            answers.append(f"{refused.http_status} {refused.error.code}")

    calls = [threading.Thread(target=create) for _ in range(2)]
    writer = Store(simulator.path)
    with writer.transaction():  # which keeps the one call that came first waiting
        for call in calls:
            call.start()
        assert wait_until(lambda: bool(answers), seconds=PATIENCE_S)
    for call in calls:
        call.join()
    writer.close()

    assert answers == ["409 idempotency_key_in_use", "customer"]


def test_a_key_has_a_longest_length(api: Any) -> None:
    with refused():
        api.customers.create({}, {"idempotency_key": "x" * 256})
