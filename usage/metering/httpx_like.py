"""Metering for httpx and httpx2, which are alike in everything used here but their classes.

The two modules with the transports bring the classes; what is done with them is written once, here, and
untyped where it is the library's.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from usage.core.errors import BillingError
from usage.metering import threads
from usage.metering.answers import Answer
from usage.metering.bodies import Collected, decoded_request, readable_encodings
from usage.metering.exchange import Exchange, Metering, Refusals, hosts_of, refusals_of
from usage.metering.protocol import Meter
from usage.metering.refusals import EXTENSION, answer_to
from usage.providers import Provider
from usage.wire.base import SentRequest

# The retries that the libraries of OpenAI and Anthropic count.
RETRY_COUNT_HEADER = "x-stainless-retry-count"
# Google's clients may carry the API key in the query.
SECRET_QUERY = "key="  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The classes of httpx or httpx2; `outgoing`, `answering` and `answering_async` are ours, made theirs."""

    request: type[Any]
    response: type[Any]
    byte_stream: type[Any]
    outgoing: type["Outgoing"]
    answering: type["Answering"]
    answering_async: type["AnsweringAsync"]
    timeouts: tuple[type[BaseException], ...]
    unreached: tuple[type[BaseException], ...]

    def metering(
        self,
        meter: Meter,
        *,
        customer: str | None,
        hosts: Mapping[str, str | Provider] | None,
        refusals: Refusals,
        byok: bool,
    ) -> Metering:
        """What the calls through a transport share; raises InvalidRequest for what cannot be."""
        return Metering(
            meter=meter,
            customer=str(customer or ""),
            hosts=hosts_of(hosts),
            refusals=refusals_of(refusals),
            byok=byok,
            timeouts=self.timeouts,
            is_unreached=lambda failure: isinstance(failure, self.unreached),
        )


class Outgoing:
    """A request's body that knows whether sending it has begun: not before there is a connection."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.begun = False

    def __iter__(self) -> Iterator[bytes]:
        self.begun = True
        yield self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun = True
        yield self._body


class Answering:
    """An answer's body on its way to the caller."""

    def __init__(self, stream: Any, *, answer: Answer) -> None:
        self._stream = stream
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        answer = self._answer
        try:
            for chunk in self._stream:
                if passed := answer.feed(chunk):
                    yield passed
            if rest := answer.end():
                yield rest
        except GeneratorExit:
            # The caller may still close the answer in an ordinary place; otherwise it is forgotten.
            raise
        except BaseException as failure:
            answer.finish(failure)
            raise
        answer.finish()

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._answer.finish()

    def __del__(self) -> None:
        self._answer.forget()


class AnsweringAsync:
    """The same for asyncio and trio: settling waits in a thread, and survives cancellation."""

    def __init__(self, stream: Any, *, answer: Answer) -> None:
        self._stream = stream
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        answer = self._answer
        try:
            async for chunk in self._stream:
                if passed := answer.feed(chunk):
                    yield passed
            if rest := answer.end():
                yield rest
        except GeneratorExit:
            raise
        except BaseException as failure:
            await threads.run(partial(answer.finish, failure))
            raise
        await threads.run(answer.finish)

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            if self._answer.is_open:
                await threads.run(self._answer.finish)

    def __del__(self) -> None:
        self._answer.forget()


def send(request: Any, *, inner: Callable[[Any], Any], metering: Metering, library: Library) -> Any:
    """Send `request` through `inner`, metered where it is a call to a provider."""
    provider = metering.provider_at(request.url.host, port=request.url.port)
    if provider is None:
        return inner(request)
    if not isinstance(request.stream, library.byte_stream):
        body = Collected()
        for part in request.stream:
            body.add(part)
        request.stream = library.byte_stream(body.body())
    exchange = _exchange(request, request.read(), metering=metering, provider=provider)
    if exchange is None:
        return inner(request)
    try:
        exchange.authorize()
    except BillingError as refusal:
        return _refused(refusal, provider=provider, metering=metering, library=library)
    outgoing = library.outgoing(exchange.body)
    try:
        response = inner(_outgoing_request(request, outgoing=outgoing, exchange=exchange, library=library))
    except BaseException as failure:
        exchange.unanswered(failure, begun=outgoing.begun)
        raise
    return _answered(response, exchange=exchange, library=library, answering=library.answering)


async def send_async(
    request: Any, *, inner: Callable[[Any], Awaitable[Any]], metering: Metering, library: Library
) -> Any:
    """The same with `inner` awaited; the meter works in a thread."""
    provider = metering.provider_at(request.url.host, port=request.url.port)
    if provider is None:
        return await inner(request)
    if not isinstance(request.stream, library.byte_stream):
        body = Collected()
        async for part in request.stream:
            body.add(part)
        request.stream = library.byte_stream(body.body())
    exchange = _exchange(request, await request.aread(), metering=metering, provider=provider)
    if exchange is None:
        return await inner(request)
    try:
        await threads.run(exchange.authorize, unclaimed=Exchange.release)
    except BillingError as refusal:
        return _refused(refusal, provider=provider, metering=metering, library=library)
    outgoing = library.outgoing(exchange.body)
    try:
        response = await inner(
            _outgoing_request(request, outgoing=outgoing, exchange=exchange, library=library)
        )
    except BaseException as failure:
        await threads.run(partial(exchange.unanswered, failure, begun=outgoing.begun))
        raise
    return _answered(response, exchange=exchange, library=library, answering=library.answering_async)


def sent_request(
    *, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> SentRequest:
    """What wires see of a request: its body plain, and no key in its query.

    Raises InvalidRequest for a body whose Content-Encoding cannot be read.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    return SentRequest(
        method=method,
        path=path,
        query="&".join(part for part in query.split("&") if not part.startswith(SECRET_QUERY)),
        content_type=headers.get("content-type", ""),
        body=decoded_request(body, encoding=encoding),
    )


def prepare_headers(headers: Any, *, exchange: Exchange) -> None:
    """Make a request's headers, a mapping that ignores case, those of the body that is really sent."""
    for name in ("transfer-encoding", "content-encoding"):
        headers.pop(name, None)
    if exchange.body or "content-length" in headers:
        headers["Content-Length"] = str(len(exchange.body))
    accepted = headers.get("accept-encoding", "")
    headers["Accept-Encoding"] = "identity" if exchange.filters else readable_encodings(accepted)


def _exchange(request: Any, body: bytes, *, metering: Metering, provider: Provider) -> Exchange | None:
    sent = sent_request(
        method=request.method,
        path=request.url.path,
        query=request.url.query.decode("ascii", "replace"),
        headers=request.headers,
        body=body,
    )
    retry_count = request.headers.get(RETRY_COUNT_HEADER, "")
    return metering.exchange(provider, request=sent, retry_count=retry_count)


def _outgoing_request(request: Any, *, outgoing: Outgoing, exchange: Exchange, library: Library) -> Any:
    headers = request.headers.copy()
    prepare_headers(headers, exchange=exchange)
    return library.request(
        request.method, request.url, headers=headers, stream=outgoing, extensions=request.extensions
    )


def _answered(response: Any, *, exchange: Exchange, library: Library, answering: type[Any]) -> Any:
    headers = response.headers
    answer = Answer(exchange, status=response.status_code, content_type=headers.get("content-type", ""))
    answer.open(headers.get("content-encoding", ""))
    if answer.is_decoded:
        headers.pop("content-encoding", None)
        headers.pop("content-length", None)
    return library.response(
        response.status_code,
        headers=headers,
        stream=answering(response.stream, answer=answer),
        extensions=response.extensions,
    )


def _refused(refusal: BillingError, *, provider: Provider, metering: Metering, library: Library) -> Any:
    if metering.refusals == "raise":
        raise refusal
    told = answer_to(refusal, provider=provider)
    return library.response(
        told.status, headers=dict(told.headers), content=told.body, extensions={EXTENSION: refusal}
    )
