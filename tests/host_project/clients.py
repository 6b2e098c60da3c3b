"""OpenAI's clients as the host has them: one each, shared by all requests, metered by its transport."""

import os
from functools import cache

import httpx2
from django.conf import settings
from django.utils.module_loading import import_string
from openai import AsyncOpenAI, OpenAI

from usage.metering.protocol import Meter
from usage.metering.remote import RemoteMeter
from usage.metering.transports import AsyncMeteredTransport, MeteredTransport

UPSTREAM = os.environ["HOST_UPSTREAM"]
HOSTS = {UPSTREAM: "openai"}
API_KEY = "sk-of-the-host"
MODEL = "gpt-4o"


@cache
def remote_meter() -> RemoteMeter:
    return RemoteMeter(
        os.environ["HOST_BILLING_URL"], os.environ["HOST_BILLING_KEY"], spool=os.environ["HOST_SPOOL"]
    )


def meter() -> Meter:
    found: Meter = import_string(settings.USAGE_METERING["METER"])()
    return found


@cache
def client() -> OpenAI:
    http = httpx2.Client(transport=MeteredTransport(meter(), hosts=HOSTS))
    return OpenAI(api_key=API_KEY, base_url=f"http://{UPSTREAM}/v1", http_client=http)


@cache
def async_client() -> AsyncOpenAI:
    http = httpx2.AsyncClient(transport=AsyncMeteredTransport(meter(), hosts=HOSTS))
    return AsyncOpenAI(api_key=API_KEY, base_url=f"http://{UPSTREAM}/v1", http_client=http)


def ask(question: str) -> str:
    answer = client().chat.completions.create(
        model=MODEL, max_tokens=100, messages=[{"role": "user", "content": question}]
    )
    return answer.choices[0].message.content or ""


async def ask_async(question: str) -> str:
    answer = await async_client().chat.completions.create(
        model=MODEL, max_tokens=100, messages=[{"role": "user", "content": question}]
    )
    return answer.choices[0].message.content or ""
