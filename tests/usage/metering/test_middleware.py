"""The middleware by itself: what it reads, what it answers for, and what it leaves alone."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from pytest_django import Settings

from tests.support.metering import RecordingMeter
from tests.support.sdk_metering import refusing
from tests.support.sdk_openai import MESSAGES, MODEL, a_client
from tests.upstream import openai as shape
from tests.upstream.script import Script
from tests.upstream.server import Upstream, running
from usage.core.errors import EnforcementUnavailable, PricingException, UsageLimitExceededException
from usage.events import Tags
from usage.metering.context import Attribution, attribute, current
from usage.metering.host_settings import host_settings
from usage.metering.permits import holdings

MIDDLEWARE = ["usage.metering.middleware.UsageMeteringMiddleware"]

seen: list[Attribution] = []
failures: list[Exception] = []


def note(request: HttpRequest, **parameters: Any) -> HttpResponse:
    seen.append(current())
    return HttpResponse("noted")


async def note_async(request: HttpRequest) -> HttpResponse:
    seen.append(current())
    return HttpResponse("noted")


def fail(request: HttpRequest) -> HttpResponse:
    raise failures[-1]


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[str]:
        seen.append(current())
        with attribute(end_user="somebody else"):
            yield "one"
            seen.append(current())
        seen.append(current())
        yield "two"

    return StreamingHttpResponse(pieces())


async def stream_async(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[str]:
        seen.append(current())
        with attribute(end_user="somebody else"):
            yield "one"
            seen.append(current())
        seen.append(current())
        yield "two"

    return StreamingHttpResponse(pieces())


def send_file(request: HttpRequest) -> FileResponse:
    return FileResponse(io.BytesIO(b"content"))


urlpatterns = [
    path("notes/<int:number>/", note),
    path("notes-async/", note_async),
    path("fail/", fail),
    path("stream/", stream),
    path("stream-async/", stream_async),
    path("file/", send_file),
]


def customer_of(request: HttpRequest) -> str:
    return request.headers.get("X-Customer", "")


def tags_of(request: HttpRequest) -> dict[str, str]:
    return {"team": request.headers.get("X-Team", "")}


@pytest.fixture(autouse=True)
def host(settings: Settings) -> Settings:
    """A host of these views, whose clients say who they are in headers."""
    seen.clear()
    failures.clear()
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = MIDDLEWARE
    configure(settings)
    return settings


def configure(settings: Settings, **changes: Any) -> None:
    here: dict[str, Any] = {"CUSTOMER": customer_of, "END_USER": "request.headers.missing"}
    settings.USAGE_METERING = here | changes


def get(address: str, **headers: str) -> HttpResponse:
    response: Any = Client().get(address, headers={"X-Customer": "acme", **headers})
    return response


def answer_to(failure: Exception) -> HttpResponse:
    failures.append(failure)
    return get("/fail/")


def test_a_request_is_attributed_by_functions(host: Settings) -> None:
    configure(host, CUSTOMER=f"{__name__}.customer_of", TAGS=tags_of)

    get("/notes/7/", **{"X-Team": "search"})

    assert seen == [Attribution(customer="acme", endpoint="/notes/<int:number>/", tags=Tags(team="search"))]


def test_a_request_is_attributed_by_attributes(host: Settings) -> None:
    configure(host, CUSTOMER="request.method", END_USER="request.path", TAGS={"project": "request.scheme"})

    get("/notes/7/")

    [one] = seen
    assert (one.customer, one.end_user, one.tags) == ("GET", "/notes/7/", Tags(project="http"))


def test_a_visitor_is_attributed_to_nobody(host: Settings) -> None:
    configure(host, CUSTOMER="request.user.organisation.slug")

    get("/notes/7/")

    assert seen[0].customer == ""


def test_long_names_are_cut_to_what_an_event_takes(host: Settings) -> None:
    get("/notes/7/", **{"X-Customer": "x" * 500})

    assert seen[0].customer == "x" * 128


def test_other_paths_can_be_left_alone(host: Settings) -> None:
    configure(host, PATH=r"/api/")

    get("/notes/7/")

    assert seen == [Attribution()]


def test_nothing_is_left_behind() -> None:
    get("/notes/7/")
    list(get("/stream/"))

    assert current() == Attribution()
    assert holdings.get() == ()


def test_an_async_view_is_attributed_under_asgi() -> None:
    asyncio.run(AsyncClient().get("/notes-async/", headers={"X-Customer": "acme"}))

    assert (seen[0].customer, seen[0].endpoint) == ("acme", "/notes-async/")


def test_a_stream_goes_on_in_its_context_and_keeps_what_it_sets() -> None:
    response: Any = get("/stream/")
    outside = []
    for _ in response:
        outside.append(current())

    assert [one.end_user for one in seen] == ["", "somebody else", ""]
    assert {one.customer for one in seen} == {"acme"}
    assert outside == [Attribution()] * 2


def test_an_async_stream_does_so_too() -> None:
    async def read() -> list[Attribution]:
        response: Any = await AsyncClient().get("/stream-async/", headers={"X-Customer": "acme"})
        return [current() async for _ in response]

    outside = asyncio.run(read())

    assert [one.end_user for one in seen] == ["", "somebody else", ""]
    assert {one.customer for one in seen} == {"acme"}
    assert outside == [Attribution()] * 2


def test_files_are_sent_as_they_are() -> None:
    response: Any = get("/file/")

    assert b"".join(response) == b"content"


@pytest.mark.parametrize("status", [402, 429])
def test_a_refusal_that_no_view_handles_is_answered(status: int) -> None:
    response = answer_to(
        UsageLimitExceededException("No room.", status=status, details={}, hint="A larger plan helps.")
    )

    assert response.status_code == status
    problem = response.json()  # type: ignore[attr-defined]
    assert (problem["detail"], problem["hint"]) == ("No room.", "A larger plan helps.")


def test_a_refusal_behind_other_errors_is_found() -> None:
    wrapped = RuntimeError("the agent gave up")
    wrapped.__cause__ = UsageLimitExceededException("No room.", details={})

    assert answer_to(wrapped).status_code == 429


@pytest.mark.parametrize("failure", [ValueError("no refusal"), PricingException("No price.")])
def test_other_errors_stay_what_they_are(failure: Exception) -> None:
    with pytest.raises(type(failure)):
        answer_to(failure)


def test_enforcement_that_is_away_is_a_503() -> None:
    assert answer_to(EnforcementUnavailable("Nobody can say.")).status_code == 503


class TestWithOpenAI:
    """What the provider's own client raises."""

    @pytest.fixture
    def upstream(self) -> Iterator[Upstream]:
        with running(shape) as server:
            yield server

    def raised(self, meter: RecordingMeter, upstream: Upstream) -> Exception:
        with a_client(meter, upstream) as client, pytest.raises(openai.APIStatusError) as raised:
            client.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=MESSAGES)
        return raised.value

    def test_its_error_of_our_refusal_is_answered(self, upstream: Upstream) -> None:
        response = answer_to(self.raised(refusing(), upstream))

        assert (response.status_code, response["Retry-After"]) == (429, "7")

    def test_its_error_of_our_outage_is_answered(self, upstream: Upstream) -> None:
        meter = RecordingMeter(refusal=EnforcementUnavailable("Nobody can say."))

        assert answer_to(self.raised(meter, upstream)).status_code == 503

    def test_a_limit_of_the_provider_itself_is_the_host_s_own_affair(self, upstream: Upstream) -> None:
        upstream.script = Script(status=429)
        failure = self.raised(RecordingMeter(), upstream)

        with pytest.raises(openai.RateLimitError):
            answer_to(failure)


class TestChecks:
    """Operations that are held before a view runs."""

    CHECK = {"path": "/notes/", "operations": [{"provider": "openai", "calls": 2}]}

    @pytest.fixture
    def meter(self, host: Settings) -> RecordingMeter:
        meter = RecordingMeter()
        configure(host, METER=lambda: meter, CHECKS=[self.CHECK])
        return meter

    def test_they_are_held_for_the_customer_and_given_back(self, meter: RecordingMeter) -> None:
        get("/notes/7/")

        [intent] = meter.intents
        assert (intent.customer, [each.calls for each in intent.operations]) == ("acme", [2])
        assert meter.released == ["grant-1"]

    def test_a_refusal_comes_before_the_view(self, meter: RecordingMeter) -> None:
        meter.refusal = UsageLimitExceededException("No room.", details={"retry_after": 3})

        response = get("/notes/7/")

        assert (response.status_code, response["Retry-After"]) == (429, "3")
        assert seen == []

    def test_a_wrong_configuration_is_not_hidden_as_a_refusal(self, meter: RecordingMeter) -> None:
        meter.refusal = PricingException("No price.")

        with pytest.raises(PricingException):
            get("/notes/7/")

    def test_other_paths_are_not_held_for(self, meter: RecordingMeter) -> None:
        get("/file/")

        assert meter.intents == []

    def test_only_the_methods_named_are_held_for(self, host: Settings, meter: RecordingMeter) -> None:
        configure(host, METER=lambda: meter, CHECKS=[{**self.CHECK, "methods": ["POST"]}])

        get("/notes/7/")

        assert meter.intents == []

    def test_a_stream_that_nobody_reads_gives_back_when_it_is_closed(
        self, host: Settings, meter: RecordingMeter
    ) -> None:
        configure(host, METER=lambda: meter, CHECKS=[{**self.CHECK, "path": "/stream/"}])

        response = get("/stream/")
        assert meter.released == []
        response.close()

        assert meter.released == ["grant-1"]

    def test_under_asgi_they_are_held_and_given_back_too(self, meter: RecordingMeter) -> None:
        asyncio.run(AsyncClient().get("/notes/7/", headers={"X-Customer": "acme"}))

        assert (len(meter.intents), meter.released) == (1, ["grant-1"])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"COSTUMER": "request.user.pk"}, "COSTUMER"),
        ({"CUSTOMER": 7}, "CUSTOMER"),
        ({"END_USER": "shop.nowhere.user_of"}, "END_USER"),
        ({"TAGS": {"squad": "request.user.pk"}}, "squad"),
        ({"PATH": "("}, "PATH"),
        ({"CHECKS": [{"path": "/", "operations": [{"provider": "openai"}]}]}, "METER"),
        ({"METER": "x", "CHECKS": [{"path": "/", "operations": []}]}, "CHECKS"),
        ({"METER": "x", "CHECKS": [{"path": "(", "operations": [{"provider": "openai"}]}]}, "CHECKS"),
        ({"METER": "x", "CHECKS": [{"path": "/", "operations": [{"supplier": "openai"}]}]}, "CHECKS"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named_at_the_start(
    host: Settings, changes: dict[str, Any], named: str
) -> None:
    configure(host, **changes)

    with pytest.raises(ImproperlyConfigured, match=named):
        Client().get("/notes/7/")


def test_without_the_setting_the_login_is_the_customer(host: Settings) -> None:
    del host.USAGE_METERING
    request = HttpRequest()
    request.user = type("Someone", (), {"pk": 7})()

    assert host_settings().attribution(request) == Attribution(customer="7", end_user="7")
