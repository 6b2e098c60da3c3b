"""Metering for clients that send with httpx2: those of OpenAI, Anthropic, Mistral, Google, Hugging Face.

    client = openai.OpenAI(http_client=httpx2.Client(transport=MeteredTransport(meter, customer="acme")))

Calls to hosts of no known provider, and requests that ask for nothing metered, pass untouched. A body that is
streamed to a provider is read into memory first, as what it asks for must be known before it is sent. An
answer should be read to its end or closed; one that is dropped is settled when the next call is made.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx2

from usage.metering import httpx_like
from usage.metering.exchange import Refusals
from usage.metering.protocol import Meter
from usage.providers import Provider


class _Outgoing(httpx_like.Outgoing, httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A request's body."""


class _Answering(httpx_like.Answering, httpx2.SyncByteStream):
    """An answer's body."""


class _AnsweringAsync(httpx_like.AnsweringAsync, httpx2.AsyncByteStream):
    """An answer's body, awaited."""


_LIBRARY = httpx_like.Library(
    request=httpx2.Request,
    response=httpx2.Response,
    byte_stream=httpx2.ByteStream,
    outgoing=_Outgoing,
    answering=_Answering,
    answering_async=_AnsweringAsync,
    timeouts=(httpx2.TimeoutException,),
    unreached=(
        httpx2.ConnectError,
        httpx2.ConnectTimeout,
        httpx2.PoolTimeout,
        httpx2.ProxyError,
        httpx2.UnsupportedProtocol,
    ),
)


class MeteredTransport(httpx2.BaseTransport):
    """Checks, holds, meters and settles the provider calls of an `httpx2.Client`.

    `customer` is the account's external id where the context names none (usage.metering.context); `inner` the
    transport that sends, by default `httpx2.HTTPTransport()`; `hosts` names the provider behind further
    addresses ("gateway.example.com" or "127.0.0.1:8080"), by its key or as a Provider. A refused call is
    answered in the provider's own form of error, or raises our exception with `refusals="raise"`. `byok`: the
    customer's own provider key pays. Raises InvalidRequest for a provider or a way that is not known.
    """

    def __init__(
        self,
        meter: Meter,
        *,
        customer: str | None = None,
        inner: httpx2.BaseTransport | None = None,
        hosts: Mapping[str, str | Provider] | None = None,
        refusals: Refusals = "response",
        byok: bool = False,
    ) -> None:
        self._metering = _LIBRARY.metering(
            meter, customer=customer, hosts=hosts, refusals=refusals, byok=byok
        )
        self._inner = inner or httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response: httpx2.Response = httpx_like.send(
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


class AsyncMeteredTransport(httpx2.AsyncBaseTransport):
    """The same for an `httpx2.AsyncClient`; the meter works in threads and nothing blocks the event loop.

    A task that is cancelled settles what it saw before the cancellation goes on.
    """

    def __init__(
        self,
        meter: Meter,
        *,
        customer: str | None = None,
        inner: httpx2.AsyncBaseTransport | None = None,
        hosts: Mapping[str, str | Provider] | None = None,
        refusals: Refusals = "response",
        byok: bool = False,
    ) -> None:
        self._metering = _LIBRARY.metering(
            meter, customer=customer, hosts=hosts, refusals=refusals, byok=byok
        )
        self._inner = inner or httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response: httpx2.Response = await httpx_like.send_async(
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
