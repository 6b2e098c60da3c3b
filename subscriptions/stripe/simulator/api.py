"""The simulated API: each call is one transaction, and is done once per idempotency key."""

import base64
import binascii
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from subscriptions.stripe.simulator import declared, routes
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.faults import AFTER, Fault, Faults
from subscriptions.stripe.simulator.http import Answer, NoAnswer, Request, json_answer
from subscriptions.stripe.simulator.presenting import expanded, shown
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json, Store
from subscriptions.stripe.simulator.wire import API_VERSION, ApiError, decode_form, new_id

logger = logging.getLogger(__name__)

TEST_KEYS = ("sk_test_", "rk_test_")
MAX_KEY_LENGTH = 255


class Api:
    def __init__(self, store: Store, *, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self._in_flight: set[str] = set()
        self._in_flight_lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        """What the call answers, errors included. Raises NoAnswer where a fault keeps the answer back."""
        request_id = new_id("req")
        fault = None
        try:
            _authenticate(request)
            fault = self._faults.strike(request.method, path=request.path)
            if fault and fault.kind not in AFTER:
                raise _failure(fault)
            answer = self._idempotent(request, request_id=request_id)
        except ApiError as error:
            answer = json_answer(error.body(request_id=request_id), status=error.status)
        if fault and fault.kind in AFTER:
            raise NoAnswer(hold_s=fault.hold_s)
        headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION, **answer.headers}
        return Answer(status=answer.status, body=answer.body, headers=headers)

    def _idempotent(self, request: Request, *, request_id: str) -> Answer:
        # As at Stripe, the key means nothing for calls that are safe to repeat anyway.
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if key is None:
            return self._in_transaction(request, key=None, request_id=request_id)
        if not 0 < len(key) <= MAX_KEY_LENGTH:
            raise ApiError(f"The idempotency key must be of 1 to {MAX_KEY_LENGTH} characters.")
        with self._alone(key):
            return self._in_transaction(request, key=key, request_id=request_id)

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        with self._in_flight_lock:
            if key in self._in_flight:
                raise ApiError(
                    "There is currently another in-progress request using this Idempotent Key (that probably "
                    "means you submitted twice, and the other request is still going through): "
                    f"{key}. Please try again later.",
                    status=409,
                    code="idempotency_key_in_use",
                )
            self._in_flight.add(key)
        try:
            yield
        finally:
            with self._in_flight_lock:
                self._in_flight.discard(key)

    def _in_transaction(self, request: Request, *, key: str | None, request_id: str) -> Answer:
        raw = decode_form(request.query if request.method != "POST" else request.body)
        asked = json.dumps([request.method, request.path, raw], sort_keys=True)
        with self._store.transaction():
            if key and (kept := self._kept(key, asked=asked, path=request.path)):
                return kept
            route, path_ids = routes.find(request.method, path=request.path)
            call = Call(
                store=self._store,
                params=declared.check(route.declared, raw),
                path_ids=path_ids,
                now=int(time.time()),
                base_url=request.base_url,
                request_id=request_id,
                idempotency_key=key,
            )
            answer = self._execute(route, call)
            if key:
                values = (key, asked, answer.status, answer.body)
                self._store.execute(
                    "INSERT INTO answers (key, asked, status, body) VALUES (?, ?, ?, ?)", values
                )
            return answer

    def _kept(self, key: str, *, asked: str, path: str) -> Answer | None:
        row = self._store.execute("SELECT asked, status, body FROM answers WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        if row[0] != asked:
            first_path = json.loads(row[0])[1]
            used = (
                f"for the same endpoint ('{first_path}')"
                if first_path != path
                else "with the same parameters"
            )
            raise ApiError(
                f"Keys for idempotent requests can only be used {used} they were first used with. Try using "
                f"a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        return Answer(status=row[1], body=row[2], headers={"Idempotent-Replayed": "true"})

    def _execute(self, route: Route, call: Call) -> Answer:
        """The handler's answer. What it changed before a refusal is taken back, unless it is to stay."""
        refused = None
        try:
            with self._store.savepoint():
                try:
                    body = expanded(
                        self._store, shown(route.handler(call)), paths=call.params.get("expand", [])
                    )
                except ApiError as error:
                    if not error.keeps_effects:
                        raise
                    refused = error
        except ApiError as error:
            refused = error
        if refused:
            return json_answer(refused.body(request_id=call.request_id or ""), status=refused.status)
        return json_answer(body)


def _authenticate(request: Request) -> None:
    """Raises ApiError 401 unless the call has a secret key of the test mode."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    key = credentials.strip()
    if scheme.lower() == "basic":
        key = _user_of(key)
    if not key:
        raise ApiError(
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            status=401,
        )
    if not key.startswith(TEST_KEYS):
        raise ApiError(
            f"Invalid API Key provided: {key[:8]}****. The Stripe simulator takes test keys only.",
            status=401,
        )


def _user_of(credentials: str) -> str:
    try:
        return base64.b64decode(credentials).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _failure(fault: Fault) -> Exception:
    if fault.kind == "connection_reset":
        return NoAnswer(hold_s=0, is_reset=True)
    if fault.kind == "timeout_before":
        return NoAnswer(hold_s=fault.hold_s)
    if fault.kind == "rate_limited_429":
        return ApiError(
            "Request rate limit exceeded. You can learn more about rate limits here "
            "https://stripe.com/docs/rate-limits.",
            status=429,
            code="rate_limit",
        )
    details: dict[str, Any] = {}
    return ApiError(
        "An unknown error occurred (a fault of the simulator)", status=500, kind="api_error", details=details
    )


def internal_error() -> Answer:
    """For what must not happen: a bug of the simulator."""
    error: Json = {"message": "The Stripe simulator failed; its log says why.", "type": "api_error"}
    return json_answer({"error": error}, status=500)
