"""/api/usage/authorizations: permission before a call, and what becomes of it. Plain views, as of events."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from usage import access, authorization, rate_limits, settlement
from usage.access import Principal
from usage.api.amounts import CURRENCY
from usage.api.bodies import body_of, decode
from usage.api.events import window
from usage.core.errors import NotFound
from usage.core.money import format_amount
from usage.models import Authorization, AuthorizationState, Hold, Scope
from usage.operations import AuthorizationRequest, Held
from usage.settlement import SettlementRequest

# Room for a hundred operations with every field at its longest, each character escaped.
MAX_BODY_BYTES = 1024 * 1024
HELD = ("calls", *authorization.AMOUNTS)

_read_request = msgspec.json.Decoder(AuthorizationRequest)
_read_settlement = msgspec.json.Decoder(SettlementRequest)
_encoder = msgspec.json.Encoder()


class ExtensionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body that moves a deadline to `expires_in` seconds from now."""

    expires_in: Annotated[int, msgspec.Meta(ge=1, le=86_400)]


class SettledCalls(msgspec.Struct, frozen=True, kw_only=True):
    """The calls that were settled, and their cost in USD."""

    calls: int
    cost: str


class AuthorizationStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization as it stands. `hold.amounts` is what it still holds; `overrun`: a call consumed more
    than was held for it.
    """

    id: str
    state: str
    hold: Held
    settled: SettledCalls
    currency: str
    overrun: bool
    created_at: datetime
    closed_at: datetime | None


_read_extension = msgspec.json.Decoder(ExtensionRequest)


# Every one is exempt: the access layer checks the token of a session itself; servers with a key have none.
@csrf_exempt
@require_POST
def post_authorizations(request: HttpRequest) -> HttpResponse:
    """Hold the worst case of some operations: 201, or 429 or 402 with the decision. Two queries in all."""
    principal = _sender(request)
    asked = decode(body_of(request, limit=MAX_BODY_BYTES), _read_request)
    at = timezone.now()
    granted = authorization.authorize(
        asked.operations,
        customer=_customer(principal, asked.customer),
        at=at,
        expires_in=None if asked.expires_in is None else timedelta(seconds=asked.expires_in),
        key=request.headers.get("Idempotency-Key", ""),
    )
    return _json(granted, status=201, headers=rate_limits.of_decision(granted.decision, at=at))


@require_GET
def get_authorization(request: HttpRequest, authorization_id: str) -> HttpResponse:
    """The authorization as it stands."""
    at = timezone.now()
    principal = access.principal_of(request, at=at)
    # Whoever may ask for authorizations may look at them, as may whoever reads usage.
    if Scope.INGEST not in principal.scopes:
        access.require(principal, Scope.READ)
    return _json(_standing(_named(principal, authorization_id), at=at))


@csrf_exempt
@require_POST
def settle_authorization(request: HttpRequest, authorization_id: str) -> HttpResponse:
    """Record what a call consumed; a repeated settle is answered with the header Idempotent-Replayed."""
    principal = _sender(request)
    asked = decode(body_of(request, limit=MAX_BODY_BYTES), _read_settlement)
    named = _named(principal, authorization_id)
    at = timezone.now()
    done = settlement.settle(
        named, asked, at=at, call_id=request.headers.get("Idempotency-Key", ""), window=window(at)
    )
    return _json(done.settled, headers={"Idempotent-Replayed": "true"} if done.replayed else {})


@csrf_exempt
@require_POST
def extend_authorization(request: HttpRequest, authorization_id: str) -> HttpResponse:
    """Move the deadline of an open authorization."""
    principal = _sender(request)
    asked = decode(body_of(request, limit=MAX_BODY_BYTES), _read_extension)
    named = _named(principal, authorization_id)
    at = timezone.now()
    extended = authorization.extend(named, expires_in=timedelta(seconds=asked.expires_in), at=at)
    return _json(_standing(extended, at=at))


@csrf_exempt
@require_POST
def release_authorization(request: HttpRequest, authorization_id: str) -> HttpResponse:
    """Give back what is still held. No body is read."""
    named = _named(_sender(request), authorization_id)
    at = timezone.now()
    return _json(_standing(authorization.release(named, at=at), at=at))


def _sender(request: HttpRequest) -> Principal:
    principal = access.principal_of(request, at=timezone.now())
    access.require(principal, Scope.INGEST)
    return principal


def _customer(principal: Principal, asked: str) -> str:
    """Whose call it is to be. For whoever reaches every account, asking for permission finds out itself
    whether there is such a one.
    """
    if principal.accounts is None and asked:
        return asked
    return access.account_for(principal, external_id=asked or None, scope=Scope.INGEST).external_id


def _named(principal: Principal, authorization_id: str) -> Authorization:
    """The authorization, if the principal reaches its account; otherwise it is told that there is none."""
    unknown = NotFound(
        f"There is no authorization {authorization_id!r} that this credential reaches.",
        code="authorization_unknown",
    )
    try:
        reached = Authorization.objects.filter(pk=UUID(authorization_id)).select_related("account")
    except ValueError:
        raise unknown from None
    if principal.accounts is not None:
        reached = reached.filter(account__in=principal.accounts)
    found = reached.first()
    if found is None:
        raise unknown
    return found


def _standing(found: Authorization, *, at: datetime) -> AuthorizationStanding:
    is_late = found.state == AuthorizationState.OPEN and found.expires_at <= at
    state = AuthorizationState.EXPIRED if is_late else AuthorizationState(found.state)
    return AuthorizationStanding(
        id=str(found.pk),
        state=state.value,
        hold=Held(
            state=state.value,  # type: ignore[arg-type]  # the table's own choices
            expires_at=found.expires_at,
            amounts=_held(found) if state == AuthorizationState.OPEN else {},
        ),
        settled=SettledCalls(calls=found.settled_calls, cost=format_amount(found.settled_cost)),
        currency=CURRENCY,
        overrun=found.overrun,
        created_at=found.created_at,
        closed_at=found.closed_at,
    )


def _held(found: Authorization) -> dict[str, str]:
    """What its open holds reserve, of each measure that any of them needs."""
    held = Hold.objects.filter(authorization_id=found.pk).aggregate(**{name: Sum(name) for name in HELD})
    return {name: format_amount(Decimal(amount)) for name, amount in held.items() if amount}


def _json(
    answer: msgspec.Struct, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    return HttpResponse(
        _encoder.encode(answer), status=status, headers=headers, content_type="application/json"
    )
