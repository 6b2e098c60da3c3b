"""Django middleware for applications whose views call providers on behalf of their users.

Calls made while a request is answered, by its view or by the iterator of a streaming response, are attributed
to the customer, the user and the route of the request; a refused call that no view handles becomes an answer
that says so. See `usage.metering.host_settings` for what it is told. It works under WSGI and ASGI, needs no
models of its own, and may stand anywhere in MIDDLEWARE: what the others add to the request is read when they
are through.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeGuard

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from usage.core.errors import BillingError
from usage.metering import threads
from usage.metering.context import Attribution, Binding, attribute, current
from usage.metering.host_settings import Check, host_settings
from usage.metering.permits import Holding, holdings
from usage.metering.problems import problem_response, told_by
from usage.metering.protocol import Intent

Answer = Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]
# Where a request keeps what was held for it.
HELD = "_usage_metering_holding"


class UsageMeteringMiddleware:
    """Raises ImproperlyConfigured at the start for a USAGE_METERING that cannot be read."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Answer) -> None:
        self._get_response: Callable[[HttpRequest], Any] = get_response
        self._settings = host_settings()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._answered_async(request)
        with _left_as_found():
            try:
                response: HttpResponseBase = self._get_response(request)
            except BaseException:
                _close(request)
                raise
            if _may_call(response):
                return _carried(request, response)
        _close(request)
        return response

    async def _answered_async(self, request: HttpRequest) -> HttpResponseBase:
        with _left_as_found():
            try:
                response: HttpResponseBase = await self._get_response(request)
            except BaseException:
                await threads.run(lambda: _close(request))
                raise
            if _may_call(response):
                return _carried(request, response)
        if hasattr(request, HELD):
            await threads.run(lambda: _close(request))
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Attribute what the view does, and hold what it is configured to need."""
        if self._settings.path.match(request.path_info) is None:
            return None
        attribution = self._settings.attribution(request)
        # Left in place for the view: `__call__` puts everything back as it was.
        Binding(attribution).__enter__()
        check = self._settings.check_for(request)
        if check is None or not attribution.customer:
            return None
        try:
            _hold(request, self._holding(check, attribution))
        except BillingError as error:
            told = told_by(error)
            if told is None:
                raise
            return problem_response(told)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer for a refusal that the view did not handle; other errors are left to Django."""
        told = told_by(error)
        return None if told is None else problem_response(told)

    def _holding(self, check: Check, attribution: Attribution) -> Holding:
        meter = self._settings.meter
        intent = Intent(customer=attribution.customer, operations=tuple(check.operations))
        return Holding(meter, intent=intent, grant=meter.authorize(intent))


class _Carried:
    """A stream that goes on in the context its request ended in, whoever takes the pieces.

    Between the pieces the context is left as it was found, so that nothing leaks to what the server does next
    in its thread; what the stream itself has set is there again at its next piece.
    """

    def __init__(self, stream: Any, *, request: HttpRequest) -> None:
        self._stream = stream
        self._request = request
        self._attribution = current()
        self._holdings = holdings.get()

    def close(self) -> None:
        """Called by Django when the response is over, read to its end or not."""
        _close(self._request)

    @contextmanager
    def _resumed(self) -> Iterator[None]:
        with _left_as_found():
            Binding(self._attribution).__enter__()
            holdings.set(self._holdings)
            try:
                yield
            finally:
                self._attribution = current()
                self._holdings = holdings.get()


class _CarriedPieces(_Carried):
    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self._resumed():
            return next(self._stream)


class _CarriedPiecesAsync(_Carried):
    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        with self._resumed():
            return await anext(self._stream)


def _may_call(response: HttpResponseBase) -> TypeGuard[StreamingHttpResponse]:
    """Whether sending `response` runs code of the application, which may call providers."""
    return response.streaming and not isinstance(response, FileResponse)


def _carried(request: HttpRequest, response: StreamingHttpResponse) -> StreamingHttpResponse:
    content: Any = response.streaming_content
    if response.is_async:
        response.streaming_content = _CarriedPiecesAsync(aiter(content), request=request)
    else:
        response.streaming_content = _CarriedPieces(iter(content), request=request)
    return response


@contextmanager
def _left_as_found() -> Iterator[None]:
    """Whatever is attributed and held inside, outside it is as before."""
    with attribute():
        token = holdings.set(holdings.get())
        try:
            yield
        finally:
            holdings.reset(token)


def _hold(request: HttpRequest, holding: Holding) -> None:
    setattr(request, HELD, holding)
    holdings.set((*holdings.get(), holding))


def _close(request: HttpRequest) -> None:
    """Give back what the request held and did not use."""
    holding: Holding | None = getattr(request, HELD, None)
    if holding is not None:
        holding.close()
