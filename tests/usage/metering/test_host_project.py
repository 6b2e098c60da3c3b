"""A host application under real servers: with threads, and in one event loop."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from django.contrib.auth.models import Group

from tests.support import database
from tests.support.authorizing import a_limit, counters, limit
from tests.support.cast import an_account
from tests.support.concurrency import PATIENCE_S
from tests.support.host_servers import Host, serving
from tests.support.metering_server import API_KEY, MeteringServer, a_decision, a_problem
from tests.support.processes import wait_until
from tests.support.recording import prepare
from tests.upstream import openai as shape
from tests.upstream.script import Script, Tokens
from tests.upstream.server import Upstream, running
from usage.models import APIUsageLog

REQUESTS = 32
CUSTOMERS = ("acme", "bolt", "crux", "dyne")
LOCAL = "tests.host_project.settings"
REMOTE = "tests.host_project.settings_remote"
INTERFACES = ("wsgi", "asgi")
# The async views share one client, and with it one loop: under WSGI each request has a loop of its own.
VIEWS = [("wsgi", "/articles/"), ("asgi", "/articles/"), ("asgi", "/articles-async/")]
STREAMS = [("wsgi", "/stream/"), ("asgi", "/stream/"), ("asgi", "/stream-async/")]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        server.script = Script(tokens=Tokens(input=1000, output=100))
        yield server


@pytest.fixture(scope="module")
def hosts(
    django_db_setup: None, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Host]]:
    """The host under an interface: started when first asked for, and running until the last test."""
    with ExitStack() as running_hosts:

        @cache
        def host(interface: str) -> Host:
            return running_hosts.enter_context(
                serving(
                    interface,
                    settings=LOCAL,
                    folder=tmp_path_factory.mktemp(interface),
                    HOST_DATABASE_URL=database.address(),
                    HOST_UPSTREAM=upstream.host,
                )
            )

        yield host


@pytest.fixture(params=INTERFACES)
def host(request: pytest.FixtureRequest, hosts: Callable[[str], Host]) -> Host:
    return hosts(request.param)


@pytest.fixture
def customers(transactional_db: None) -> None:
    prepare()
    for name in CUSTOMERS[1:]:
        an_account(name)


def calls(*, of: str = "acme") -> tuple[Decimal, Decimal]:
    return counters("calls", of=of, at=datetime.now(UTC))


def attributions() -> list[tuple[str, ...]]:
    """Customer, person, team and endpoint of every logged call, in order."""
    rows = APIUsageLog.objects.values_list("account__external_id", "end_user", "team", "endpoint")
    return sorted(rows)


@pytest.mark.parametrize(("host", "view"), VIEWS, indirect=["host"])
def test_calls_at_the_same_time_are_each_attributed_to_their_own_request(
    host: Host, customers: None, view: str
) -> None:
    tenants = [f"{CUSTOMERS[n % 4]}/person-{n}/team-{n % 3}" for n in range(REQUESTS)]

    answers = host.get_all([(f"{view}{n}/", tenant) for n, tenant in enumerate(tenants)])

    assert {(answer.status_code, answer.text) for answer in answers} == {(200, "Salt is cheap.")}
    assert attributions() == sorted((*tenant.split("/"), f"{view}<int:article>/") for tenant in tenants)


@pytest.mark.parametrize(("host", "path"), STREAMS, indirect=["host"])
def test_calls_made_while_a_response_streams_are_attributed_too(
    host: Host, customers: None, path: str
) -> None:
    answers = host.get_all([(path, f"{name}/ann/search") for name in CUSTOMERS])

    assert {answer.text for answer in answers} == {"Salt is cheap." * 2}
    assert attributions() == sorted((name, "ann", "search", path) for name in CUSTOMERS for _ in range(2))


@pytest.mark.parametrize(("host", "view"), VIEWS, indirect=["host"])
def test_a_reached_limit_is_told_with_its_headers(host: Host, customers: None, view: str) -> None:
    limit(a_limit(1, window="day", name="calls a day"), at=datetime.now(UTC))

    first, second = host.get(f"{view}1/"), host.get(f"{view}2/")

    assert first.status_code == 200
    assert second.status_code == 429
    assert second.headers["content-type"] == "application/problem+json"
    problem = second.json()
    assert (problem["code"], problem["hint"]) == ("limit_exceeded", "A larger plan raises this limit.")
    assert 1 <= problem["retry_after"] == int(second.headers["retry-after"]) <= 2 * 86_400
    assert second.headers["ratelimit-policy"] == '"calls a day";q=1;w=86400'
    assert second.headers["ratelimit"].startswith('"calls a day";r=0;t=')
    assert "decision" not in problem


def test_what_only_a_plan_can_change_is_a_402(host: Host, customers: None) -> None:
    limit(a_limit(0, name="calls"), at=datetime.now(UTC))

    answer = host.get("/articles/1/")

    assert (answer.status_code, answer.json()["code"]) == (402, "not_included")
    assert "retry-after" not in answer.headers


def test_usage_stays_when_the_view_fails_and_its_own_rows_go(host: Host, customers: None) -> None:
    limit(a_limit(10, name="calls"), at=datetime.now(UTC))

    answer = host.get("/fail/")

    assert answer.status_code == 500
    assert not Group.objects.filter(name="to be rolled back").exists()
    assert attributions() == [("acme", "ann", "search", "/fail/")]
    assert calls() == (1, 0)


def test_more_requests_than_the_pool_has_connections_do_not_wait_for_each_other(
    host: Host, customers: None
) -> None:
    answers = host.get_all([("/articles/1/", "acme/ann/search")] * 8)

    assert [answer.status_code for answer in answers] == [200] * 8


class TestChecks:
    """Paths for which two calls are held before the view runs."""

    @pytest.fixture(autouse=True)
    def limited(self, customers: None) -> None:
        limit(a_limit(2, name="calls"), at=datetime.now(UTC))

    def test_a_request_without_room_is_refused_before_its_view(self, host: Host) -> None:
        host.get("/articles/1/")

        assert host.get("/checked/nothing/").status_code == 429

    def test_what_the_view_does_not_use_is_given_back(self, host: Host) -> None:
        assert host.get("/checked/nothing/").status_code == 200
        assert calls() == (0, 0)

    def test_the_view_s_calls_draw_from_what_is_held_also_while_it_streams(self, host: Host) -> None:
        assert host.get("/checked/stream/").text == "Salt is cheap." * 2
        assert wait_until(lambda: calls() == (2, 0), seconds=PATIENCE_S)

    def test_a_browser_s_preflight_and_a_visitor_hold_nothing(self, host: Host) -> None:
        limit(a_limit(0, name="calls"), at=datetime.now(UTC))

        assert host.get("/checked/nothing/", method="OPTIONS").status_code == 200
        assert host.get("/checked/nothing/", tenant="").status_code == 200


@contextmanager
def a_remote_host(interface: str, server: MeteringServer, upstream: Upstream, folder: Path) -> Iterator[Host]:
    with serving(
        interface,
        settings=REMOTE,
        folder=folder,
        HOST_UPSTREAM=upstream.host,
        HOST_BILLING_URL=server.url,
        HOST_BILLING_KEY=API_KEY,
    ) as host:
        yield host


@pytest.mark.parametrize("interface", INTERFACES)
def test_a_host_without_the_billing_tables_asks_a_server(
    interface: str, upstream: Upstream, tmp_path: Path
) -> None:
    with MeteringServer() as server, a_remote_host(interface, server, upstream, tmp_path) as host:
        answers = [host.get("/articles/7/"), host.get("/stream/")]
        imported = host.get("/imported/")
        arrived = wait_until(lambda: len(server.events) == 3, seconds=PATIENCE_S)
        decision = a_decision([], allowed=False, retry_after=30)
        server.refusal = a_problem(
            429, code="limit_exceeded", detail="No room.", decision=decision, retry_after=30
        )
        refused = host.get("/articles/7/")

    assert [answer.status_code for answer in answers] == [200, 200]
    assert imported.text == "False"
    assert arrived
    events = list(server.events.values())
    assert {event["subject"] for event in events} == {"acme"}
    assert {event["data"]["end_user"] for event in events} == {"ann"}
    endpoints = [event["data"]["endpoint"] for event in events]
    assert endpoints == ["/articles/<int:article>/", "/stream/", "/stream/"]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert refused.json()["detail"] == "No room."


def test_a_billing_server_that_is_away_is_a_503(upstream: Upstream, tmp_path: Path) -> None:
    with MeteringServer() as server, a_remote_host("wsgi", server, upstream, tmp_path) as host:
        server.broken_with = 503
        answer = host.get("/articles/7/")

    assert (answer.status_code, answer.json()["code"]) == (503, "enforcement_unavailable")
