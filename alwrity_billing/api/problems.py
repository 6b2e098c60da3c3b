"""Errors over HTTP: one function says what an exception means, one gives it the form its path requires.

Under /api/subscription/ that form is the legacy envelope `{"success": false, …}`, everywhere else under
/api/ it is RFC 9457 problem+json. Pages outside the API keep Django's own error pages.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
from django.core import exceptions as django_errors
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils import timezone
from rest_framework import exceptions as drf_errors
from rest_framework.views import set_rollback

from alwrity_billing.api.authentication import CHALLENGE
from alwrity_billing.api.envelopes import API_PREFIX, is_legacy, to_json
from usage import rate_limits
from usage.core.errors import BillingError, UsageLimitExceededException
from usage.operations import Decision

logger = logging.getLogger(__name__)

DATABASE_RETRY_AFTER_S = 5

# What a status means when nobody said more: (code, sentence).
GENERIC = {
    400: ("invalid_request", "The request could not be read: check its form."),
    401: ("not_authenticated", "Log in, or send an API key or a token in the Authorization header."),
    403: ("access_denied", "The request was refused: its credential or CSRF token does not allow this."),
    404: ("not_found", "There is nothing at this address."),
    405: (
        "method_not_allowed",
        "This address does not take that method: the Allow header lists those it does.",
    ),
    413: ("too_large", "The request's body is too large."),
    500: ("internal_error", "Something went wrong on our side. Quote the request_id if you ask for help."),
    503: ("database_unavailable", "The database does not answer just now. Try again shortly."),
}
DRF_CODES = {
    "authentication_failed": "not_authenticated",
    "permission_denied": "access_denied",
    "parse_error": "invalid_request",
    "invalid": "invalid_request",
}
BY_TYPE: tuple[tuple[tuple[type[BaseException], ...], int], ...] = (
    ((Http404,), 404),
    ((django_errors.PermissionDenied,), 403),
    ((django_errors.RequestDataTooBig,), 413),
    (
        (
            django_errors.SuspiciousOperation,
            django_errors.BadRequest,
            MultiPartParserError,
            UnreadablePostError,
        ),
        400,
    ),
)
PAGE_ERRORS: dict[int, type[Exception]] = {
    400: django_errors.BadRequest,
    403: django_errors.PermissionDenied,
    404: Http404,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is told about an error. A `retry_after` (seconds) in `details` also becomes the header."""

    status: int
    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_of(error: BaseException) -> Problem | None:
    """What `error` means over HTTP; None for one nobody raised on purpose."""
    match error:
        case BillingError():
            hint = {"hint": error.hint} if error.hint else {}
            return Problem(
                status=error.status,
                code=error.error_code,
                message=error.message,
                details=error.details | hint,
                headers=_rate_limits(error),
            )
        case drf_errors.ValidationError():
            return _validation_problem(error)
        case drf_errors.APIException():
            return _drf_problem(error)
        case OperationalError() | InterfaceError():
            return _generic(503, retry_after=DATABASE_RETRY_AFTER_S)
    for types, status in BY_TYPE:
        if isinstance(error, types):
            return _generic(status)
    return None


def response_to(problem: Problem, *, path: str) -> HttpResponse:
    """`problem` in the form that clients of `path` understand."""
    legacy = is_legacy(path)
    body = _legacy_body(problem) if legacy else _problem_body(problem)
    response = HttpResponse(
        to_json(body, money_as_numbers=legacy),
        status=problem.status,
        headers=problem.headers,
        content_type="application/json" if legacy else "application/problem+json",
    )
    if problem.status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = CHALLENGE
    if "retry_after" in problem.details:
        response["Retry-After"] = str(problem.details["retry_after"])
    return response


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's hook. Unexpected exceptions pass on to the middleware, which answers for every view alike."""
    problem = problem_of(error)
    if problem is None:
        return None
    set_rollback()
    _log_outage(error, problem)
    return response_to(problem, path=context["request"].path_info)


class ProblemMiddleware:
    """Answers for plain views under /api/, and for whatever Django itself refuses there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = response.get("Content-Type", "").startswith("text/html")
        if response.status_code < HTTPStatus.BAD_REQUEST or not is_page or not _is_api(request):
            return response
        return _instead_of_page(response, path=request.path_info)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not _is_api(request):
            _raise_for_page(error)
            return None
        problem = problem_of(error)
        if problem is None:
            problem = _unexpected(error, path=request.path_info)
            # Error trackers listen to this signal, and the test client re-raises what it carries.
            got_request_exception.send(sender=type(self), request=request)
        else:
            _log_outage(error, problem)
        return response_to(problem, path=request.path_info)


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith(API_PREFIX)


def _raise_for_page(error: Exception) -> None:
    """Let Django's error pages tell what a page's view raised from our tree."""
    if isinstance(error, BillingError) and error.status in PAGE_ERRORS:
        raise PAGE_ERRORS[error.status](error.message) from error


def _instead_of_page(response: HttpResponse, *, path: str) -> HttpResponse:
    """The same response, its headers kept, telling in JSON what its page told."""
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        problem = _unexpected(None, path=path)
    else:
        problem = _generic(response.status_code)
    answer = response_to(problem, path=path)
    response.content = answer.content
    for name, value in answer.items():
        response[name] = value
    response["Content-Length"] = str(len(answer.content))
    return response


def _rate_limits(error: BillingError) -> dict[str, str]:
    """The RateLimit fields of a refusal: the limits its decision consulted."""
    if not isinstance(error, UsageLimitExceededException) or "decision" not in error.details:
        return {}
    decision = msgspec.convert(error.details["decision"], Decision)
    return rate_limits.of_decision(decision, at=timezone.now())


def _unexpected(error: BaseException | None, *, path: str) -> Problem:
    """A 500 whose id stands in the answer and in the log, where the traceback is."""
    request_id = uuid.uuid4().hex
    logger.error(
        "Unexpected error at %s, request_id %s",
        path,
        request_id,
        exc_info=error,
        extra={"request_id": request_id},
    )
    return _generic(500, request_id=request_id)


def _log_outage(error: Exception, problem: Problem) -> None:
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.warning("Answered %s %s", problem.status, problem.code, exc_info=error)


def _generic(status: int, **details: Any) -> Problem:
    code, message = GENERIC.get(status, ("refused", f"{HTTPStatus(status).phrase}."))
    return Problem(status=status, code=code, message=message, details=details)


def _drf_problem(error: drf_errors.APIException) -> Problem:
    if isinstance(error, drf_errors.NotAuthenticated | drf_errors.NotFound):
        return _generic(error.status_code)
    code = DRF_CODES.get(error.default_code, error.default_code)
    wait = getattr(error, "wait", None)
    details = {} if wait is None else {"retry_after": int(wait)}
    return Problem(status=error.status_code, code=code, message=str(error.detail), details=details)


def _validation_problem(error: drf_errors.ValidationError) -> Problem:
    """Every fault with the JSON pointer of its field; the sentence tells the first."""
    faults = list(_faults(error.detail))
    first = faults[0]
    message = f"{first['pointer']}: {first['message']}" if first["pointer"] else first["message"]
    if len(faults) > 1:
        message = f"{message} ({len(faults) - 1} more in errors)"
    return Problem(
        status=error.status_code, code="invalid_request", message=message, details={"errors": faults}
    )


def _faults(detail: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    match detail:
        case dict():
            for name, inner in detail.items():
                yield from _faults(
                    inner, pointer if name == "non_field_errors" else f"{pointer}/{_token(name)}"
                )
        case list() if all(isinstance(inner, str) for inner in detail):
            for inner in detail:
                yield from _faults(inner, pointer)
        case list():
            for index, inner in enumerate(detail):
                yield from _faults(inner, f"{pointer}/{index}")
        case _:
            yield {
                "pointer": pointer,
                "code": str(getattr(detail, "code", "invalid")),
                "message": str(detail),
            }


def _token(name: object) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")


def _legacy_body(problem: Problem) -> dict[str, Any]:
    return {"success": False, "error": problem.message, "code": problem.code, "detail": problem.details}


def _problem_body(problem: Problem) -> dict[str, Any]:
    return {
        # The standard's own members cannot be overwritten by a detail of the same name.
        **problem.details,
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.message,
        "code": problem.code,
    }
