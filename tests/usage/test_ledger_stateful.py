"""The ledger against an independent model: whatever happens, in whatever order, both come to the same.

Some known stories in every run of the tests; LEDGER_EXAMPLES=1000 tries as many new ones.
"""

import os
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support import ledger_model
from tests.support.cast import NOW, an_account, an_event
from tests.support.invariants import END, START
from tests.support.ledger_model import Call, Ledger, Wish
from tests.support.ledger_stories import (
    CALLS,
    IN,
    OUT,
    PASSING,
    WISHES,
    amounts,
    key_of,
    limit_sets,
    name_of,
    operation_of,
    terms_of,
    units_of,
)
from tests.support.prices import an_entry, load
from tests.support.recording import prepare
from usage import authorization, drift, limit_counts, limits
from usage.core.calendar import month_of
from usage.core.errors import BillingError, Conflict, TrackingException, UsageLimitExceededException
from usage.events import Tags, UsageEvent
from usage.ingest import ingest
from usage.models import Authorization, LimitSource
from usage.operations import Operation

NEW_STORIES = "LEDGER_EXAMPLES"
EXAMPLES = int(os.environ.get(NEW_STORIES, "24"))
STEPS = 40
CLOSE = Fraction(1, 10**12)
accounts = count()


class LedgerMachine(RuleBasedStateMachine):
    """One account of its own for each story."""

    granted = Bundle("granted")
    events = Bundle("events")

    def __init__(self) -> None:
        super().__init__()
        self.account = an_account(f"account-{next(accounts)}")
        self.model = Ledger()
        self.now = NOW
        self.ids = count()
        self.keys: dict[str, tuple[list[Operation], timedelta, str]] = {}
        self.months_left = 2
        # Period and concurrent limits that only ever saw what was authorized.
        self.sound: set[tuple[str, ...]] = set()

    @initialize(plan=limit_sets(), budget=limit_sets())
    def begin_with_limits(self, plan: list[ledger_model.Limit], budget: list[ledger_model.Limit]) -> None:
        self._put("plan", plan)
        self._put("budget", budget)

    # --- Asking -----------------------------------------------------------------------------------------

    @rule(target=granted, wanted=WISHES, lifetime=st.sampled_from([5, 60, 600, 86_400]), keyed=st.booleans())
    def authorize(self, wanted: list[tuple[Call, int, int, int]], lifetime: int, keyed: bool) -> Any:
        operations = [operation_of(*each) for each in wanted]
        wishes = [Wish(call, calls, amounts(call, one, other)) for call, calls, one, other in wanted]
        expires_in = timedelta(seconds=lifetime)
        key = f"key-{next(self.ids)}" if keyed else ""
        expected = self._preflight(operations)
        refusing = self.model.refusing(wishes, at=self.now)
        assert refusing == expected
        try:
            answer = authorization.authorize(
                operations, customer=self.account.external_id, at=self.now, expires_in=expires_in, key=key
            )
        except UsageLimitExceededException as refused:
            said = refused_by(refused)
        else:
            said = set()
        assert said == {name_of(key) for key in refusing}
        if said:
            return multiple()
        self.model.grant(answer.id, wishes, at=self.now, lifetime=expires_in)
        if keyed:
            self.keys[key] = (operations, expires_in, answer.id)
        return answer.id

    @precondition(lambda self: self.keys)
    @rule(data=st.data(), other=st.booleans())
    def ask_again_with_a_key(self, data: st.DataObject, other: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.keys)))
        operations, expires_in, known = self.keys[key]
        if other:
            with pytest.raises(TrackingException):
                self._ask([*operations, operations[0]], expires_in, key)
        elif self.model.is_over(known, at=self.now):
            with pytest.raises(Conflict):
                self._ask(operations, expires_in, key)
        else:
            assert self._ask(operations, expires_in, key) == known

    def _ask(self, operations: list[Operation], expires_in: timedelta, key: str) -> str:
        return authorization.authorize(
            operations, customer=self.account.external_id, at=self.now, expires_in=expires_in, key=key
        ).id

    def _preflight(self, operations: list[Operation]) -> set[tuple[str, ...]]:
        """The limits that are said to refuse; nothing may change by asking."""
        decision = authorization.preflight(operations, customer=self.account.external_id, at=self.now)
        self.every_limit_counts_what_the_model_counts()
        refusing = {limit.name for limit in decision.limits if limit.refused}
        assert decision.allowed is not bool(refusing)
        return {key for key in self.model.limits if name_of(key) in refusing}

    # --- What becomes of a permission -------------------------------------------------------------------

    @rule(
        target=events,
        id=granted,
        which=st.integers(0, 2),
        another=st.none() | CALLS,
        one=IN,
        other=OUT,
        late=st.sampled_from([0, 0, 30, 4000]),
    )
    def settle(self, id: str, which: int, another: Call | None, one: int, other: int, late: int) -> Any:
        wishes = self.model.authorizations[id].wishes
        call = another or wishes[which % len(wishes)].call
        return self._record(call, one, other, time=self.now - timedelta(seconds=late), by=id)

    @rule(id=granted)
    def release(self, id: str) -> None:
        known = Authorization.objects.get(pk=id)
        if self.model.release(id):
            authorization.release(known, at=self.now)
        else:
            with pytest.raises(Conflict):
                authorization.release(known, at=self.now)

    @rule(id=granted, seconds=st.sampled_from([1, 60, 3600]))
    def extend(self, id: str, seconds: int) -> None:
        known, by = Authorization.objects.get(pk=id), timedelta(seconds=seconds)
        latest = known.created_at + timedelta(days=1)
        if self.now + by <= latest and self.model.extend(id, at=self.now, by=by):
            authorization.extend(known, expires_in=by, at=self.now)
        else:
            with pytest.raises(BillingError):
                authorization.extend(known, expires_in=by, at=self.now)

    @rule()
    def sweep(self) -> None:
        # Other stories' accounts may have something due as well.
        authorization.expire(at=self.now, limit=10_000)
        self.model.expire(at=self.now)

    # --- Usage that nobody asked for --------------------------------------------------------------------

    @rule(
        target=events,
        calls=st.lists(st.tuples(CALLS, IN, OUT), min_size=1, max_size=3),
        late=st.sampled_from([0, 0, 45, 5000, -200]),
        twice=st.booleans(),
    )
    def ingest(self, calls: list[tuple[Call, int, int]], late: int, twice: bool) -> Any:
        time = self.now - timedelta(seconds=late)
        batch = [self._event(*call, time=time) for call in calls]
        for call, one, other in calls:
            self._unasked(call)
            self.model.record(call, amounts(call, one, other), at=self.now, time=time)
        outcomes = ingest([*batch, *batch[:1]] if twice else batch, at=self.now)
        assert [each.outcome for each in outcomes] == ["recorded"] * len(batch) + ["replayed"] * twice
        return batch[0]

    @rule(event=events, changed=st.booleans())
    def send_again(self, event: UsageEvent, changed: bool) -> None:
        other = an_event(event.id, subject=event.subject, output_tokens=7)
        (outcome,) = ingest([other if changed else event], at=self.now)
        assert outcome.outcome == ("conflict" if changed else "replayed")

    def _record(self, call: Call, one: int, other: int, *, time: datetime, by: str) -> UsageEvent:
        event = self._event(call, one, other, time=time, by=by)
        (outcome,) = ingest([event], at=self.now)
        hold = self.model.hold_for(by, call, amounts(call, one, other))
        over = self.model.record(call, amounts(call, one, other), at=self.now, time=time, by=by)
        if over or hold is None or hold.call != call:
            self._unasked(call)
        assert outcome.outcome == "recorded", outcome
        assert outcome.overrun is over
        return event

    def _event(self, call: Call, one: int, other: int, *, time: datetime, by: str = "") -> UsageEvent:
        consumed: dict[str, Any] = {"units": units_of(amounts(call, one, other))}
        if call.provider == "openai":
            consumed = {"input_tokens": one, "output_tokens": other}
        return an_event(
            f"event-{next(self.ids)}",
            subject=self.account.external_id,
            at=time,
            provider=call.provider,
            model=call.model,
            request_type=call.request_type,
            tags=Tags(team=call.team, project=call.project),
            authorization=by,
            **consumed,
        )

    def _unasked(self, call: Call) -> None:
        """The limits that count the call may be exceeded from now on."""
        self.sound = {
            key
            for key in self.sound
            if not call.is_in(self.model.limits[key].scope, self.model.limits[key].value)
        }

    # --- What is allowed, and time ----------------------------------------------------------------------

    @rule(source=st.sampled_from(["plan", "budget", "override"]), wanted=limit_sets())
    def put(self, source: str, wanted: list[ledger_model.Limit]) -> None:
        self._put(source, wanted)

    def _put(self, source: str, wanted: list[ledger_model.Limit]) -> None:
        wanted = [replace(limit, source=source) for limit in wanted]
        limits.put(
            self.account,
            source=LimitSource(source),
            limits=[terms_of(limit) for limit in wanted],
            at=self.now,
        )
        before = self.model.limits
        self.model.put(source, wanted)
        self.sound = {key for key in self.model.limits if self._is_sound(before.get(key), key)}

    def _is_sound(self, before: ledger_model.Limit | None, key: tuple[str, ...]) -> bool:
        limit = self.model.limits[key]
        if limit.window not in ("period", "concurrent") or limit.mode != "block" or limit.amount is None:
            return False
        if before == limit:
            return key in self.sound
        taken = self.model.used(limit, at=self.now) + self.model.held(limit, at=self.now)
        return taken <= limit.amount

    @rule(passing=st.sampled_from(PASSING))
    def time_passes(self, passing: timedelta) -> None:
        self.now += passing

    @precondition(lambda self: self.months_left and self.model.holds)
    @rule(after=st.sampled_from([timedelta(seconds=-1), timedelta(0), timedelta(minutes=2)]))
    def the_month_ends(self, after: timedelta) -> None:
        self.months_left -= 1
        self.now = max(self.now, month_of(self.now)[1] + after)

    # --- What must always be true -----------------------------------------------------------------------

    @invariant()
    def every_limit_counts_what_the_model_counts(self) -> None:
        states = {key_of(state): state for state in limits.states(self.account, at=self.now)}
        assert states.keys() == self.model.limits.keys()
        for key, limit in self.model.limits.items():
            state = states[key]
            assert abs(Fraction(state.used) - self.model.used(limit, at=self.now)) < CLOSE, key
            assert state.held == self.model.held(limit, at=self.now), key
            # What was authorized, and nothing else, never exceeds a limit.
            if key in self.sound:
                assert state.amount is not None
                assert state.used + state.held <= state.amount, key

    @invariant()
    def the_log_and_the_holds_say_what_the_limits_count(self) -> None:
        assert limit_counts.miscounted([self.account.pk], at_most=1) == []

    def teardown(self) -> None:
        assert drift.check(start=START, end=END, account_id=self.account.pk) == []

    @invariant()
    def authorizations_say_what_became_of_them(self) -> None:
        columns = ("state", "settled_calls", "settled_cost", "overrun")
        rows = Authorization.objects.filter(account=self.account).values_list("id", *columns)
        assert {str(id): tuple(values) for id, *values in rows} == {
            known.id: tuple(getattr(known, name) for name in columns)
            for known in self.model.authorizations.values()
        }


def refused_by(refused: UsageLimitExceededException) -> set[str]:
    return {limit["name"] for limit in refused.details["decision"]["limits"] if limit["refused"]}


@pytest.mark.django_db(transaction=True)
def test_the_database_and_the_model_agree() -> None:
    prepare()
    load(an_entry(model="gpt-mini", input="2.50", output="10"))
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=NEW_STORIES not in os.environ,
            phases=[Phase.generate, Phase.shrink],
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            report_multiple_bugs=False,
        ),
    )
