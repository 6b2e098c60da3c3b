"""Authorizations: permission before a call, with its worst case held until it is settled.

One round trip to PostgreSQL: the function `usage_authorize` locks the account's row, looks at every limit
the operations touch, and holds their worst case or nothing. Everything that changes an account's counters
(ingest, release, expiry, a change of its limits) takes that same lock first, so each sees what the others
have done.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import uuid_utils
from django.conf import settings
from django.db import connection, transaction
from django.db.models import TextField
from django.db.models.functions import Cast

from usage import decisions, estimation, periods
from usage.core.errors import (
    Conflict,
    EnforcementUnavailable,
    InvalidRequest,
    NotFound,
    PricingException,
    TrackingException,
)
from usage.core.money import format_amount
from usage.decisions import Priced, Touched
from usage.models import Account, Authorization, AuthorizationState, BillingPeriod
from usage.operations import MAX_OPERATIONS, Authorized, Decision, Held, Operation
from usage.pricebook import current_book, remembered_book

MAX_KEY_LENGTH = 128
# The book may change, and a period begin, between two asks; not over and over.
MAX_ASKS = 5
AUTHORIZE = (
    "SELECT outcome, authorization_id, message, limits::text, operations::text, created_at, expires_at, "
    "period_end FROM usage_authorize(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
AMOUNTS = ("tokens", "cost", "searches", "images", "pages", "seconds", "characters")
LOCK_ACCOUNT = "SELECT FROM accounts WHERE id = %s FOR NO KEY UPDATE"
ANSWER_FIELDS = (
    "outcome", "id", "message", "limits", "operations", "created_at", "expires_at", "period_end",
)  # fmt: skip

_encoder = msgspec.json.Encoder()
_read_wished = msgspec.json.Decoder(list[Operation])
_read_limits = msgspec.json.Decoder(list[list[Touched]])
_read_operations = msgspec.json.Decoder(list[Priced])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What `usage_authorize` said. `limits` and `operations` are JSON."""

    outcome: str
    id: UUID
    message: str
    limits: str
    operations: str
    created_at: datetime
    expires_at: datetime
    period_end: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """An authorization as it was granted: the worst case that was held, of each measure that it needed, and
    the decision, which is kept only where the request came with an idempotency key.
    """

    authorization: Authorization
    held: dict[str, str]
    decision: Decision | None


def authorize(
    operations: Sequence[Operation],
    *,
    customer: str,
    at: datetime,
    expires_in: timedelta | None = None,
    key: str = "",
) -> Authorized:
    """Hold the worst case of `operations` together for the account called `customer`.

    With a `key` the same request is held once, however often it is repeated, and answered like the first
    time. Raises UsageLimitExceededException with the decision when a limit refuses or the account is paused
    or suspended, PricingException for a provider or model without a price, NotFound for an unknown customer,
    TrackingException when `key` came with another request before, Conflict when what it was granted is
    released or expired, InvalidRequest for a deadline or operations out of bounds.
    """
    lifetime = expires_in or settings.AUTHORIZATION_LIFETIME
    if not timedelta(0) < lifetime <= settings.AUTHORIZATION_MAX_LIFETIME:
        seconds = int(settings.AUTHORIZATION_MAX_LIFETIME.total_seconds())
        raise InvalidRequest(f"expires_in must be between 1 and {seconds} seconds.")
    if len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise InvalidRequest(f"Idempotency-Key takes at most {MAX_KEY_LENGTH} printable characters.")
    answer = _ask(operations, customer=customer, at=at, lifetime=lifetime, key=key)
    decision = _decision(answer)
    if not decision.allowed:
        raise decisions.refusal(decision)
    priced = _read_operations.decode(answer.operations)
    return Authorized(
        id=str(answer.id),
        decision=decision,
        hold=Held(state="open", expires_at=answer.expires_at, amounts=_amounts(priced)),
    )


def preflight(operations: Sequence[Operation], *, customer: str, at: datetime) -> Decision:
    """The decision `authorize` would come to now; nothing is held or changed.

    Raises as `authorize` does, but for a refusal, which is returned.
    """
    with transaction.atomic():
        answer = _ask(operations, customer=customer, at=at, lifetime=settings.AUTHORIZATION_LIFETIME, key="")
        transaction.set_rollback(True)
    return _decision(answer)


def granted(account_id: int, reference: str) -> Granted | None:
    """What the account was granted under the id `reference`; None for none of its own, or one forgotten."""
    try:
        pk = UUID(reference)
    except ValueError:
        return None
    # As text, since amounts would pass through a binary fraction otherwise.
    with_texts = Authorization.objects.annotate(
        operations_text=Cast("operations", TextField()), decided_text=Cast("decided", TextField())
    )
    found = with_texts.filter(pk=pk, account=account_id).first()
    if found is None:
        return None
    operations = _read_operations.decode(found.operations_text)
    decision = None
    if found.decided_text is not None:
        limits = _read_limits.decode(found.decided_text)
        standings = decisions.standings(limits, at=found.created_at, period_end=_period_end(found))
        decision = decisions.decide(standings, operations, at=found.created_at)
    return Granted(authorization=found, held=_amounts(operations), decision=decision)


def extend(authorization: Authorization, *, expires_in: timedelta, at: datetime) -> Authorization:
    """Move the deadline of an open authorization to `expires_in` from `at`.

    Raises Conflict when it is closed or past its deadline, InvalidRequest beyond the longest lifetime, which
    counts from its creation.
    """
    latest = authorization.created_at + settings.AUTHORIZATION_MAX_LIFETIME
    if not at < at + expires_in <= latest:
        raise InvalidRequest(f"expires_in must lie in the future, and end by {latest:%Y-%m-%dT%H:%M:%SZ}.")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_ACCOUNT, [authorization.account_id])
        still_open = Authorization.objects.filter(
            pk=authorization.pk, state=AuthorizationState.OPEN, expires_at__gt=at
        )
        if still_open.update(expires_at=at + expires_in):
            cursor.execute(
                "UPDATE usage_holds SET expires_at = %s WHERE authorization_id = %s",
                [at + expires_in, authorization.pk],
            )
            authorization.refresh_from_db()
            return authorization
    authorization.refresh_from_db()
    raise _closed(authorization, at=at)


def release(authorization: Authorization, *, at: datetime) -> Authorization:
    """Give back what `authorization` still holds; of one released or expired before nothing is left to give.

    Raises Conflict when its calls were settled: what was used cannot be given back.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_ACCOUNT, [authorization.account_id])
        cursor.execute(
            "SELECT usage_close_holds(%s, %s, 'released', %s)",
            [authorization.account_id, authorization.pk, at],
        )
        (given_back,) = cursor.fetchone()
    authorization.refresh_from_db()
    if not given_back and authorization.state == AuthorizationState.SETTLED:
        raise _closed(authorization, at=at)
    return authorization


def expire(*, at: datetime, limit: int) -> int:
    """Give back the holds past their deadline of up to `limit` accounts, each in a transaction of its own;
    returns how many holds there were. Safe to run twice and beside everything else.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT account_id FROM usage_holds WHERE expires_at <= %s ORDER BY account_id LIMIT %s",
            [at, limit],
        )
        due = [account_id for (account_id,) in cursor.fetchall()]
        expired = 0
        for account_id in due:
            cursor.execute("SELECT usage_expire_holds(%s, %s)", [account_id, at])
            expired += cursor.fetchone()[0]
    return expired


def _closed(authorization: Authorization, *, at: datetime) -> Conflict:
    state = authorization.state
    if state == AuthorizationState.OPEN and authorization.expires_at <= at:
        state = AuthorizationState.EXPIRED
    return Conflict(
        f"The authorization is {state}: ask for a new one.",
        code="authorization_closed",
        details={"state": str(state)},
    )


def _ask(
    operations: Sequence[Operation], *, customer: str, at: datetime, lifetime: timedelta, key: str
) -> Answer:
    """Ask the database; mend what it misses (new prices, a new period) and ask again."""
    _check(operations)
    # PostgreSQL knows no NUL, so no account's id and no key holds one.
    if "\x00" in customer:
        raise _unknown(customer)
    request_hash = hashlib.blake2b(
        _encoder.encode((customer, list(operations), int(lifetime.total_seconds()))), digest_size=16
    ).hexdigest()
    book = remembered_book()
    for _ in range(MAX_ASKS):
        try:
            wishes = estimation.worst_cases(operations, book, at=at)
        except PricingException:
            # What this process has not heard of may have been priced since.
            newer = current_book()
            if newer.version == book.version:
                raise
            book = newer
            continue
        parameters: list[Any] = [
            customer, book.version, str(uuid_utils.uuid7()), key, request_hash,
            _encoder.encode(wishes).decode(), settings.DEFAULT_OUTPUT_CAP, lifetime, at,
        ]  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(AUTHORIZE, parameters)
            answer = Answer(**dict(zip(ANSWER_FIELDS, cursor.fetchone(), strict=True)))
        match answer.outcome:
            case "prices_changed":
                book = current_book()
            case "period_missing":
                account = Account.objects.get(external_id=customer)
                periods.ensure([account.pk], at=at)
            case "account_unknown":
                raise _unknown(customer)
            case "closed":
                raise Conflict(
                    "What this Idempotency-Key was granted has been released or has expired: use a new key.",
                    code="authorization_closed",
                )
            case "conflict":
                raise TrackingException(
                    "This Idempotency-Key came with another request before: use a new one.",
                    code="idempotency_key_reused",
                )
            case _:
                return answer
    raise EnforcementUnavailable("The price book is changing just now: try again in a moment.")


def _check(operations: Sequence[Operation]) -> None:
    """Raise InvalidRequest for operations built in Python that break the bounds of their own type."""
    if not 1 <= len(operations) <= MAX_OPERATIONS:
        raise InvalidRequest(
            f"An authorization takes 1 to {MAX_OPERATIONS} operations, not {len(operations)}."
        )
    try:
        _read_wished.decode(_encoder.encode(operations))
    except (msgspec.ValidationError, UnicodeEncodeError) as wrong:
        raise InvalidRequest(f"The operations break the bounds of their own type: {wrong}.") from wrong
    for each in operations:
        texts = (each.model, each.request_type, each.endpoint, *msgspec.structs.astuple(each.tags))
        # PostgreSQL knows no NUL.
        if any("\x00" in text for text in texts):
            raise InvalidRequest(
                "An operation's model, request_type, endpoint and tags cannot hold a NUL character."
            )


def _unknown(customer: str) -> NotFound:
    return NotFound(f"There is no account {customer!r}: give a customer's id.", code="account_unknown")


def _decision(answer: Answer) -> Decision:
    if answer.outcome == "paused":
        return decisions.paused(answer.message)
    if answer.outcome == "suspended":
        return decisions.suspended(answer.message)
    found = decisions.standings(
        _read_limits.decode(answer.limits), at=answer.created_at, period_end=answer.period_end
    )
    return decisions.decide(found, _read_operations.decode(answer.operations), at=answer.created_at)


def _period_end(authorization: Authorization) -> datetime | None:
    """Where the billing period ends in which it was granted."""
    periods_then = BillingPeriod.objects.filter(
        account=authorization.account_id,
        period_start__lte=authorization.created_at,
        period_end__gt=authorization.created_at,
    )
    return periods_then.values_list("period_end", flat=True).first()


def _amounts(operations: Sequence[Priced]) -> dict[str, str]:
    """What is held of each measure that any operation needs."""
    needed = {
        "calls": sum(each.calls for each in operations),
        **{name: sum(getattr(each, name) * each.calls for each in operations) for name in AMOUNTS},
    }
    return {name: format_amount(Decimal(amount)) for name, amount in needed.items() if amount}
