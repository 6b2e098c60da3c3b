"""Metering a provider's own client in a test: what its meter was told, and HTTP clients that ask it."""

from dataclasses import replace

import httpx
import httpx2
import requests

from tests.support.metering import RecordingMeter
from tests.upstream.script import Tokens
from tests.upstream.server import Upstream
from usage.core.errors import UsageLimitExceededException
from usage.events import UsageData
from usage.metering import httpx_transports
from usage.metering.exchange import Refusals
from usage.metering.protocol import Grant, Intent, Meter
from usage.metering.requests_adapter import MeteredAdapter
from usage.metering.transports import AsyncMeteredTransport, MeteredTransport

CUSTOMER = "acme"
RETRY_AFTER_S = 7

# How an event says that its call did not come to its own end.
ABANDONED = "The call was abandoned by the caller."
BROKEN = "The call was broken off by the provider."
TIMED_OUT = "The call was timed out."


class CappedMeter(RecordingMeter):
    """Grants a call whose request names no cap the output of `cap` tokens."""

    def __init__(self, *, cap: int) -> None:
        super().__init__()
        self._cap = cap

    def authorize(self, intent: Intent) -> Grant:
        asked = [operation.max_output_tokens for operation in intent.operations]
        caps = tuple(self._cap if own is None else own for own in asked)
        return replace(super().authorize(intent), output_caps=caps)


def refusing(*, status: int = 429) -> RecordingMeter:
    """A meter of an account whose limit is reached; with 402 waiting does not help."""
    details = {"retry_after": RETRY_AFTER_S} if status == 429 else {}
    message = "The limit of 10 calls a minute is reached."
    return RecordingMeter(refusal=UsageLimitExceededException(message, status=status, details=details))


def the_usage(meter: RecordingMeter) -> UsageData:
    """What the only settled event says; no hold was left open or given back besides."""
    event = meter.the_event()
    assert len(meter.intents) == 1
    assert (event.subject, event.data.authorization) == (CUSTOMER, "grant-1")
    return event.data


def tokens_of(data: UsageData) -> Tokens:
    """The event's tokens; what it does not name is none."""
    return Tokens(
        input=data.input_tokens or 0,
        cached=data.cached_input_tokens or 0,
        cache_write=data.cache_write_tokens or 0,
        output=data.output_tokens or 0,
        reasoning=data.reasoning_tokens or 0,
    )


def http2_client(meter: Meter, upstream: Upstream, *, provider: str) -> httpx2.Client:
    """What OpenAI, Anthropic, Mistral, Google and Hugging Face take."""
    hosts = {upstream.host: provider}
    inner = httpx2.HTTPTransport()
    return httpx2.Client(transport=MeteredTransport(meter, customer=CUSTOMER, inner=inner, hosts=hosts))


def async_http2_client(meter: Meter, upstream: Upstream, *, provider: str) -> httpx2.AsyncClient:
    hosts = {upstream.host: provider}
    inner = httpx2.AsyncHTTPTransport()
    transport = AsyncMeteredTransport(meter, customer=CUSTOMER, inner=inner, hosts=hosts)
    return httpx2.AsyncClient(transport=transport)


def async_http_transport(
    meter: Meter, upstream: Upstream, *, provider: str
) -> httpx_transports.AsyncMeteredTransport:
    """What goes into the httpx clients of Tavily, Exa and Firecrawl."""
    hosts = {upstream.host: provider}
    inner = httpx.AsyncHTTPTransport()
    return httpx_transports.AsyncMeteredTransport(meter, customer=CUSTOMER, inner=inner, hosts=hosts)


def metered_adapter(
    meter: Meter, upstream: Upstream, *, provider: str, refusals: Refusals = "response"
) -> MeteredAdapter:
    hosts = {upstream.host: provider}
    return MeteredAdapter(meter, customer=CUSTOMER, hosts=hosts, refusals=refusals)


def requests_session(
    meter: Meter, upstream: Upstream, *, provider: str, refusals: Refusals = "response"
) -> requests.Session:
    """A session whose every request goes through the metering adapter."""
    session = requests.Session()
    adapter = metered_adapter(meter, upstream, provider=provider, refusals=refusals)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
