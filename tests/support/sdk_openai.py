"""The OpenAI client and what it asks, for the tests that meter it."""

from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from tests.support.sdk_metering import async_http2_client, http2_client
from tests.upstream.script import Tokens
from tests.upstream.server import Upstream
from usage.metering.protocol import Meter

MODEL = "gpt-4o"
MESSAGES = [ChatCompletionUserMessageParam(role="user", content="What is salt worth?")]
WORDS = ["Salt", " is", " cheap", "."]
CONSUMED = Tokens(input=1000, cached=400, output=120, reasoning=80)
API_KEY = "sk-not-a-real-key"


def a_client(meter: Meter, upstream: Upstream, *, timeout: float = 5) -> OpenAI:
    return OpenAI(
        api_key=API_KEY,
        base_url=f"{upstream.url}/v1",
        http_client=http2_client(meter, upstream, provider="openai"),
        timeout=timeout,
    )


def an_async_client(meter: Meter, upstream: Upstream, *, timeout: float = 5) -> AsyncOpenAI:
    return AsyncOpenAI(
        api_key=API_KEY,
        base_url=f"{upstream.url}/v1",
        http_client=async_http2_client(meter, upstream, provider="openai"),
        timeout=timeout,
    )
