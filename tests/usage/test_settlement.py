"""Settling: what an authorized call consumed is recorded once, as it was authorized."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.authorizing import a_limit, an_operation, ask, counters, limit, the_authorization
from tests.support.cast import NOW
from tests.support.concurrency import at_once
from tests.support.recording import prepare, the_row
from usage import authorization, settlement
from usage.core.errors import InvalidRequest, TrackingException
from usage.events import Tags, Units
from usage.models import APIUsageLog, Authorization, Hold
from usage.operations import Authorized
from usage.settlement import CallQuantities, Settlement, SettlementRequest

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOW + timedelta(seconds=30)


@pytest.fixture(autouse=True)
def world() -> None:
    prepare()


def settle(
    granted: Authorized, *, call_id: str = "", at: Any = LATER, quantities: Any = None, **fields: Any
) -> Settlement:
    """1000 input and 40 output tokens unless told otherwise: 0.0029 USD."""
    consumed = CallQuantities(**(quantities or {"input_tokens": 1000, "output_tokens": 40}))
    request = SettlementRequest(quantities=consumed, **fields)
    return settlement.settle(the_authorization(granted), request, at=at, call_id=call_id)


def test_a_call_is_recorded_as_it_was_authorized() -> None:
    granted = ask()

    settled = settle(granted).settled

    row = the_row()
    assert (settled.cost, settled.state, settled.overrun) == ("0.0029", "settled", False)
    assert (row.source, row.event_id, row.authorization) == ("authorization", granted.id, granted.id)
    assert (row.provider, row.model, row.input_tokens, row.output_tokens) == ("openai", "gpt-4o", 1000, 40)
    # Of a single call it is known when it was about to happen.
    assert (row.occurred_at, row.recorded_at) == (NOW, LATER)


def test_what_the_settle_says_goes_before_what_was_authorized() -> None:
    granted = ask(an_operation(request_type="chat", tags=Tags(team="blue")))

    settle(
        granted,
        model="gpt-4o-2024-08-06",
        request_type="batch_of_one",
        tags=Tags(team="red"),
        endpoint="/v1/x",
        time=LATER,
        status_code=206,
        response_time=1.5,
        end_user="u1",
    )

    row = the_row()
    assert (row.model_used, row.request_type, row.team) == ("gpt-4o-2024-08-06", "batch_of_one", "red")
    assert (row.endpoint, row.occurred_at, row.end_user) == ("/v1/x", LATER, "u1")
    assert (row.status_code, row.response_time_ms) == (206, 1500)


@pytest.mark.parametrize("late", [False, True])
def test_what_the_settle_leaves_out_is_as_it_was_authorized(late: bool) -> None:
    limit(a_limit(5, scope="team", value="blue"))
    tags = Tags(team="blue", project="p", department="d")
    granted = ask(an_operation(request_type="chat", endpoint="/v1/x", tags=tags))
    if late:
        authorization.release(the_authorization(granted), at=NOW)

    settled = [settle(granted).settled for _ in range(2)]

    row = the_row()
    assert (row.request_type, row.endpoint) == ("chat", "/v1/x")
    assert (row.team, row.project, row.department) == ("blue", "p", "d")
    assert counters("blue_calls_period") == (1, 0)
    assert settled[0] == settled[1]


def test_a_call_on_the_customers_own_key_is_not_billed() -> None:
    granted = ask(an_operation(byok=True))

    assert settle(granted).settled.cost == "0"
    assert the_row().list_cost == Decimal("0.0029")


def test_units_are_consumed_like_tokens() -> None:
    granted = ask(an_operation("stability", "core", units=Units(images=2)))

    settled = settle(granted, quantities={"images": 2}).settled

    assert (settled.cost, the_row().images) == ("0.08", 2)


def test_a_failed_call_without_quantities_costs_nothing_and_frees_the_hold() -> None:
    limit(a_limit("1", "cost"))
    granted = ask()

    request = SettlementRequest(quantities=CallQuantities(), status_code=500, error_message="upstream error")
    settled = settlement.settle(the_authorization(granted), request, at=LATER).settled

    assert (settled.cost, settled.state) == ("0", "settled")
    assert counters("everything_cost_period") == (0, 0)


def test_more_than_was_held_is_recorded_and_flagged() -> None:
    granted = ask()

    assert settle(granted, quantities={"input_tokens": 1000, "output_tokens": 101}).settled.overrun


def test_the_second_settle_answers_as_the_first_did() -> None:
    granted = ask()

    first, again = settle(granted), settle(granted, at=LATER + timedelta(minutes=1))

    assert (first.replayed, again.replayed) == (False, True)
    assert first.settled == again.settled
    assert APIUsageLog.objects.count() == 1


def test_other_content_is_a_conflict() -> None:
    granted = ask()
    settle(granted)

    with pytest.raises(TrackingException) as refused:
        settle(granted, quantities={"input_tokens": 1})

    assert refused.value.error_code == "event_conflict"
    assert the_row().output_tokens == 40


@pytest.mark.parametrize("ending", ["released", "expired"])
def test_usage_after_the_end_is_recorded_and_flagged(ending: str) -> None:
    limit(a_limit("1", "cost"))
    granted = ask()
    if ending == "released":
        authorization.release(the_authorization(granted), at=NOW)
    else:
        authorization.expire(at=NOW + timedelta(hours=1), limit=10)

    settled = settle(granted, at=NOW + timedelta(hours=1)).settled

    assert (settled.state, settled.overrun, settled.cost) == (ending, True, "0.0029")
    assert counters("everything_cost_period", at=NOW + timedelta(hours=1)) == (Decimal("0.0029"), 0)


def test_the_calls_of_a_workflow_are_told_apart_by_their_ids() -> None:
    granted = ask(an_operation(calls=2))

    states = [settle(granted, id=name).settled.state for name in ("1", "2")]

    assert states == ["open", "settled"]
    assert {row.event_id for row in APIUsageLog.objects.all()} == {f"{granted.id}/1", f"{granted.id}/2"}
    # When they happened is not known beforehand.
    assert {row.occurred_at for row in APIUsageLog.objects.all()} == {LATER}


def test_a_workflows_call_without_an_id_is_refused() -> None:
    granted = ask(an_operation(calls=2))

    with pytest.raises(InvalidRequest, match="/id"):
        settle(granted)
    with pytest.raises(InvalidRequest, match="64"):
        settle(granted, call_id="x" * 65)


def test_a_repeated_call_of_a_workflow_is_counted_once() -> None:
    granted = ask(an_operation(calls=2))
    settle(granted, call_id="1")

    assert settle(granted, call_id="1", at=LATER + timedelta(minutes=1)).replayed
    assert the_authorization(granted).settled_calls == 1


def test_two_workflows_may_use_the_same_ids() -> None:
    for granted in (ask(an_operation(calls=2)), ask(an_operation(calls=2))):
        settle(granted, id="1")

    assert APIUsageLog.objects.count() == 2


def test_a_single_calls_id_is_the_authorizations() -> None:
    granted = ask()
    settle(granted, id=granted.id, call_id="any")

    assert the_row().event_id == granted.id


class TestWhichOperation:
    def test_the_provider_tells(self) -> None:
        granted = ask(an_operation(), an_operation("tavily", ""))

        settle(granted, id="1", provider="Tavily", quantities={"searches": 1})

        assert the_row().provider == "tavily"
        assert [hold.provider for hold in Hold.objects.all()] == ["openai"]

    def test_without_it_a_workflow_of_several_is_refused(self) -> None:
        granted = ask(an_operation(), an_operation("tavily", ""))

        with pytest.raises(InvalidRequest, match="/provider") as refused:
            settle(granted, id="1")
        assert refused.value.details == {"pointer": "/provider"}

    def test_a_provider_that_was_not_authorized_is_recorded_as_an_overrun(self) -> None:
        granted = ask()

        settled = settle(granted, provider="tavily", quantities={"searches": 1}).settled

        assert (settled.overrun, settled.state, the_row().provider) == (True, "open", "tavily")

    def test_the_model_that_answered_need_not_be_the_one_authorized(self) -> None:
        granted = ask(an_operation(calls=2))

        settle(granted, id="1", model="gpt-4o-2024-08-06")

        assert (the_row().model, the_row().model_used) == ("gpt-4o", "gpt-4o-2024-08-06")


def test_what_is_wrong_is_told_in_the_names_of_the_request() -> None:
    granted = ask()

    with pytest.raises(TrackingException) as refused:
        settle(granted, quantities={"output_tokens": 1, "reasoning_tokens": 2})

    assert refused.value.details == {"pointer": "/quantities/reasoning_tokens"}
    assert Authorization.objects.get().state == "open"


def test_of_racing_settles_one_records() -> None:
    limit(a_limit("1", "cost"))
    granted = ask()

    answers = at_once(lambda _: settle(granted), times=8)

    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 7
    assert len({answer.settled for answer in answers}) == 1
    assert counters("everything_cost_period") == (Decimal("0.0029"), 0)
