"""Metering for clients that send with requests: those of Tavily, Exa and Firecrawl, and scripts.

    session.mount("https://", MeteredAdapter(meter, customer="acme"))

What usage.metering.transports says of bodies and answers holds here too. The library must be installed.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from usage.core.errors import BillingError
from usage.metering.answers import Answer
from usage.metering.bodies import Collected
from usage.metering.exchange import Exchange, Metering, Refusals, hosts_of, refusals_of
from usage.metering.httpx_like import RETRY_COUNT_HEADER, Outgoing, prepare_headers, sent_request
from usage.metering.protocol import Meter
from usage.metering.refusals import EXTENSION, answer_to
from usage.providers import Provider

READ_SIZE = 65_536

_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError)
_UNREACHED = (
    requests.ConnectTimeout,
    requests.exceptions.ProxyError,
    requests.exceptions.SSLError,
    requests.exceptions.InvalidURL,
    urllib3.exceptions.NewConnectionError,
)


class RefusedResponse(requests.Response):
    """The answer to a refused call; our exception is under "refusal" in `extensions`, as with httpx."""

    def __init__(self, refusal: BillingError) -> None:
        super().__init__()
        self.extensions = {EXTENSION: refusal}


class MeteredAdapter(HTTPAdapter):
    """Checks, holds, meters and settles the provider calls of a `requests.Session`.

    `customer`, `hosts`, `refusals` and `byok` are those of usage.metering.transports.MeteredTransport;
    further options (`pool_maxsize`, `max_retries` …) are HTTPAdapter's.
    """

    def __init__(
        self,
        meter: Meter,
        *,
        customer: str | None = None,
        hosts: Mapping[str, str | Provider] | None = None,
        refusals: Refusals = "response",
        byok: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._metering = Metering(
            meter=meter,
            customer=str(customer or ""),
            hosts=hosts_of(hosts),
            refusals=refusals_of(refusals),
            byok=byok,
            timeouts=_TIMEOUTS,
            is_unreached=_is_unreached,
        )

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        provider = self._metering.provider_at(url.hostname or "", port=url.port)
        if provider is None:
            return super().send(request, *args, **options)
        exchange = self._exchange(request, provider=provider)
        if exchange is None:
            return super().send(request, *args, **options)
        try:
            exchange.authorize()
        except BillingError as refusal:
            return self._refused(request, refusal, provider=provider)
        outgoing = Outgoing(exchange.body)
        try:
            response = super().send(
                _outgoing_request(request, outgoing=outgoing, exchange=exchange), *args, **options
            )
        except BaseException as failure:
            exchange.unanswered(failure, begun=outgoing.begun)
            raise
        response.request = request
        return _answered(response, exchange=exchange)

    def _exchange(self, request: requests.PreparedRequest, *, provider: Provider) -> Exchange | None:
        url = urlsplit(str(request.url))
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        sent = sent_request(
            method=request.method or "",
            path=url.path,
            query=url.query,
            headers=headers,
            body=_body_of(request),
        )
        retry_count = headers.get(RETRY_COUNT_HEADER, "")
        return self._metering.exchange(provider, request=sent, retry_count=retry_count)

    def _refused(
        self, request: requests.PreparedRequest, refusal: BillingError, *, provider: Provider
    ) -> requests.Response:
        if self._metering.refusals == "raise":
            raise refusal
        told = answer_to(refusal, provider=provider)
        response = RefusedResponse(refusal)
        response.status_code = told.status
        response.headers.update(told.headers)
        response.encoding = "utf-8"
        response.url = str(request.url)
        response.request = request
        response.raw = urllib3.HTTPResponse(
            io.BytesIO(told.body), headers=told.headers, status=told.status, preload_content=False
        )
        return response


class MeteredRaw:
    """A urllib3 response on its way to the caller: what requests reads it with, and files are read with."""

    def __init__(self, raw: urllib3.HTTPResponse, *, answer: Answer) -> None:
        self._raw = raw
        self._answer = answer
        self._is_open = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def __iter__(self) -> Iterator[bytes]:
        return self.stream()

    def stream(self, amt: int | None = READ_SIZE, decode_content: bool | None = None) -> Iterator[bytes]:
        """The body in pieces as they arrive; requests reads with this, decoded."""
        self._open(decode_content)
        try:
            for chunk in self._raw.stream(amt, decode_content=decode_content):
                if passed := self._answer.feed(chunk):
                    yield passed
            if rest := self._answer.end():
                yield rest
        except GeneratorExit:
            # The caller may still close the answer in an ordinary place; otherwise it is forgotten.
            raise
        except BaseException as failure:
            self._answer.finish(failure)
            raise
        self._answer.finish()

    read_chunked = stream

    def read(
        self, amt: int | None = None, decode_content: bool | None = None, cache_content: bool = False
    ) -> bytes:
        """The next `amt` bytes, fewer where events are kept back, or all; empty at the end."""
        self._open(decode_content)
        passed = b""
        while not passed:
            try:
                chunk = self._raw.read(amt, decode_content=decode_content)
            except BaseException as failure:
                self._answer.finish(failure)
                raise
            passed = self._answer.feed(chunk)
            if amt is None or not chunk:
                passed += self._answer.end()
                self._answer.finish()
                return passed
        return passed

    def read1(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
        """The same as `read`."""
        return self.read(amt, decode_content)

    def readinto(self, buffer: bytearray) -> int:
        """Read into `buffer`; the bytes read."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the connection; what was seen is settled."""
        try:
            self._raw.close()
        finally:
            self._answer.finish()

    def __del__(self) -> None:
        self._answer.forget()

    def _open(self, decode_content: bool | None) -> None:
        if not self._is_open:
            self._is_open = True
            is_decoded = self._raw.decode_content if decode_content is None else decode_content
            self._answer.open("" if is_decoded else self._raw.headers.get("content-encoding", ""))


def _answered(response: requests.Response, *, exchange: Exchange) -> requests.Response:
    answer = Answer(
        exchange, status=response.status_code, content_type=response.headers.get("content-type", "")
    )
    response.raw = MeteredRaw(response.raw, answer=answer)
    if exchange.filters:
        response.headers.pop("content-length", None)
    return response


def _outgoing_request(
    request: requests.PreparedRequest, *, outgoing: Outgoing, exchange: Exchange
) -> requests.PreparedRequest:
    sent = request.copy()
    sent.body = outgoing if exchange.body else None
    prepare_headers(sent.headers, exchange=exchange)
    return sent


def _body_of(request: requests.PreparedRequest) -> bytes:
    """The whole body; a streamed one is replaced by what was read, so that it can still be sent."""
    body: Any = request.body
    if body is None or isinstance(body, bytes):
        return body or b""
    if isinstance(body, str):
        return body.encode()
    collected = Collected()
    for part in _parts(body):
        collected.add(part.encode() if isinstance(part, str) else part)
    request.body = collected.body()
    return request.body


def _parts(body: Any) -> Iterable[bytes | str]:
    return iter(lambda: body.read(READ_SIZE) or b"", b"") if hasattr(body, "read") else body


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _is_unreached(failure: BaseException) -> bool:
    """Also behind requests' general ConnectionError, which wraps what urllib3 said last."""
    inner = failure.args[0] if failure.args else None
    return isinstance(failure, _UNREACHED) or isinstance(getattr(inner, "reason", None), _UNREACHED)
