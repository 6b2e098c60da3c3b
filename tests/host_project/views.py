"""Views that call a provider, once for each way a view can answer. None of them mentions metering."""

import sys
from collections.abc import AsyncIterator, Iterator

from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from tests.host_project.clients import ask, ask_async


def answer(request: HttpRequest, article: int) -> HttpResponse:
    return HttpResponse(ask(f"What is article {article} about?"))


@transaction.non_atomic_requests
async def answer_async(request: HttpRequest, article: int) -> HttpResponse:
    return HttpResponse(await ask_async(f"What is article {article} about?"))


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[str]:
        yield ask("What is salt?")
        yield ask("What is pepper?")

    return StreamingHttpResponse(pieces())


@transaction.non_atomic_requests
async def stream_async(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[str]:
        yield await ask_async("What is salt?")
        yield await ask_async("What is pepper?")

    return StreamingHttpResponse(pieces())


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing was called")


def imported(request: HttpRequest) -> HttpResponse:
    """Whether this process has loaded the billing models."""
    return HttpResponse(str("usage.models" in sys.modules))
