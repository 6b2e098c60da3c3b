"""Metering for clients that send with httpx: those of Tavily, Exa and Firecrawl when they are asynchronous.

    client = httpx.AsyncClient(transport=AsyncMeteredTransport(meter, customer="acme"))

The same as usage.metering.transports, for the older of the two libraries; it must be installed.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from usage.metering import httpx_like
from usage.metering.exchange import Refusals
from usage.metering.protocol import Meter
from usage.providers import Provider


class _Outgoing(httpx_like.Outgoing, httpx.SyncByteStream, httpx.AsyncByteStream):
    """A request's body."""


class _Answering(httpx_like.Answering, httpx.SyncByteStream):
    """An answer's body."""


class _AnsweringAsync(httpx_like.AnsweringAsync, httpx.AsyncByteStream):
    """An answer's body, awaited."""


_LIBRARY = httpx_like.Library(
    request=httpx.Request,
    response=httpx.Response,
    byte_stream=httpx.ByteStream,
    outgoing=_Outgoing,
    answering=_Answering,
    answering_async=_AnsweringAsync,
    timeouts=(httpx.TimeoutException,),
    unreached=(
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.ProxyError,
        httpx.UnsupportedProtocol,
    ),
)


class MeteredTransport(httpx.BaseTransport):
    """Checks, holds, meters and settles the provider calls of an `httpx.Client`.

    The arguments are those of usage.metering.transports.MeteredTransport.
    """

    def __init__(
        self,
        meter: Meter,
        *,
        customer: str | None = None,
        inner: httpx.BaseTransport | None = None,
        hosts: Mapping[str, str | Provider] | None = None,
        refusals: Refusals = "response",
        byok: bool = False,
    ) -> None:
        self._metering = _LIBRARY.metering(
            meter, customer=customer, hosts=hosts, refusals=refusals, byok=byok
        )
        self._inner = inner or httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = httpx_like.send(
            request, inner=self._inner.handle_request, metering=self._metering, library=_LIBRARY
        )
        return response

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._inner.__exit__(exc_type, exc_value, traceback)

    def close(self) -> None:
        self._inner.close()


class AsyncMeteredTransport(httpx.AsyncBaseTransport):
    """The same for an `httpx.AsyncClient`; the meter works in threads and nothing blocks the event loop.

    A task that is cancelled settles what it saw before the cancellation goes on.
    """

    def __init__(
        self,
        meter: Meter,
        *,
        customer: str | None = None,
        inner: httpx.AsyncBaseTransport | None = None,
        hosts: Mapping[str, str | Provider] | None = None,
        refusals: Refusals = "response",
        byok: bool = False,
    ) -> None:
        self._metering = _LIBRARY.metering(
            meter, customer=customer, hosts=hosts, refusals=refusals, byok=byok
        )
        self._inner = inner or httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await httpx_like.send_async(
            request, inner=self._inner.handle_async_request, metering=self._metering, library=_LIBRARY
        )
        return response

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._inner.__aexit__(exc_type, exc_value, traceback)

    async def aclose(self) -> None:
        await self._inner.aclose()
