"""Refusals as a host project tells them to its own clients."""

import logging
import math
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from django.http import HttpResponse

from usage.core.errors import BillingError, EnforcementUnavailable
from usage.metering.refusals import find_behind, find_refusal, rate_limits_of

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"


def told_by(error: BaseException) -> BillingError | None:
    """The refusal or the unavailable enforcement behind `error`, as libraries wrap it; None behind others."""
    return find_refusal(error) or find_behind(error, EnforcementUnavailable)


def problem_response(error: BillingError) -> HttpResponse:
    """RFC 9457 problem+json: what was refused, when to come back, and what helps otherwise.

    The whole decision, with costs and every limit of the account, stays with the exception.
    """
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.warning("Answered %s %s: %s", error.status, error.error_code, error.message)
    retry_after = _retry_after(error)
    members = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.message,
        "code": error.error_code,
        "hint": error.hint or None,
        "retry_after": retry_after,
    }
    response = HttpResponse(
        msgspec.json.encode({name: value for name, value in members.items() if value is not None}),
        status=error.status,
        content_type=CONTENT_TYPE,
    )
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    for name, value in rate_limits_of(error, at=datetime.now(UTC)).items():
        response[name] = value
    return response


def _retry_after(error: BillingError) -> int | None:
    seconds: Any = error.details.get("retry_after")
    return math.ceil(seconds) if isinstance(seconds, int | float) else None
