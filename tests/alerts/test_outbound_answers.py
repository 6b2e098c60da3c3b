"""What hosts can do to an alert that is posted to them, and what is told of it. No database."""

import socket
import ssl
import time
from pathlib import Path

import pytest

from alerts import outbound
from alerts.outbound import Network
from tests.support.certificates import certified
from tests.support.ports import free_port
from tests.support.receivers import (
    HANGS_UP,
    HOST,
    OTHER_PUBLIC,
    PUBLIC,
    Answer,
    Names,
    StandInInternet,
    in_an_internet_of,
    posted,
    receiving,
    undelivered,
)  # fmt: skip

PATIENCE_S = 1


@pytest.mark.usefixtures("private_allowed")
class TestWhatTheHostAnswers:
    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    def test_success_is_success(self, status: int) -> None:
        with receiving(Answer(status=status, body=b"")) as server:
            assert posted(server.url) == status

    @pytest.mark.parametrize(
        ("status", "is_final", "is_gone"),
        [
            (300, True, False), (399, True, False),
            (400, False, False), (401, False, False), (404, False, False), (409, False, False),
            (410, True, True), (411, False, False), (429, False, False),
            (500, False, False), (503, False, False), (599, False, False),
        ],
    )  # fmt: skip
    def test_a_failure_says_whether_to_try_again(self, status: int, is_final: bool, is_gone: bool) -> None:
        with receiving(Answer(status=status, body=b"why")) as server:
            failed = undelivered(server.url)

        assert (failed.status, failed.is_final, failed.is_gone) == (status, is_final, is_gone)

    def test_the_answer_is_told_in_one_visible_line(self) -> None:
        body = b"<b>no</b>\r\n\x00\x1b[31m such\ttenant\xff" + "\u202eé".encode()
        with receiving(Answer(status=500, body=body)) as server:
            assert undelivered(server.url).reason == "It answered 500: <b>no</b> [31m such tenant\ufffd é"

    @pytest.mark.parametrize(("sent", "told"), [(299, 299), (300, 300), (301, 300), (1_000_000, 300)])
    def test_no_more_than_its_beginning_is_told(self, sent: int, told: int) -> None:
        with receiving(Answer(status=500, body=b"x" * sent)) as server:
            assert undelivered(server.url).reason == f"It answered 500: {'x' * told}"

    def test_no_more_than_its_beginning_is_read(self) -> None:
        with receiving(Answer(status=500, body=b"x" * 10_000_000)) as server:
            internet = StandInInternet({"127.0.0.1": server.port})
            undelivered(server.url, network=Network(backend=internet))

        assert 300 < internet.bytes_read < 64 * 1024

    def test_a_compressed_answer_is_not_unpacked(self) -> None:
        with receiving(Answer(status=500, body=b"zip", headers={"Content-Encoding": "gzip"})) as server:
            assert undelivered(server.url).reason == "It answered 500: zip"

        assert "accept-encoding" not in server.received[0].headers

    def test_a_cookie_is_not_kept(self) -> None:
        with receiving(Answer(headers={"Set-Cookie": "id=1; Path=/"})) as server:
            posted(server.url)
            posted(server.url)

        assert [request.headers.get("cookie") for request in server.received] == [None, None]

    def test_what_is_posted_arrives_with_who_we_are(self) -> None:
        with receiving() as server:
            outbound.post(server.url, body=b'{"a":1}', headers={"X-Id": "1"})

        [request] = server.received
        assert request.body == b'{"a":1}'
        assert request.headers == {
            "host": f"127.0.0.1:{server.port}",
            "user-agent": "ALwrity-Billing/0.1.0",
            "connection": "close",
            "x-id": "1",
            "content-length": "7",
        }

    def test_a_proxy_of_the_environment_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with receiving(Answer(status=502)) as proxy, receiving() as server:
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
                monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")

            assert posted(server.url) == 200

        assert proxy.received == []


@pytest.mark.usefixtures("private_allowed")
class TestSlowAndBrokenHosts:
    @pytest.mark.parametrize("in_head", [True, False])
    def test_one_that_drips_its_answer_is_left_in_time(self, in_head: bool) -> None:
        dripping = Answer(status=500, body=b"x" * 1000, drips_s=0.05, in_head=in_head)
        with receiving(dripping) as server:
            began = time.monotonic()
            failed = undelivered(server.url, network=Network(total_s=PATIENCE_S))
            took_s = time.monotonic() - began

        # All of it takes 50 seconds.
        assert PATIENCE_S <= took_s < 20 * PATIENCE_S
        assert (failed.is_final, failed.is_gone) == (False, False)
        # A status that came is told, however slow the rest.
        assert failed.status == (None if in_head else 500)

    def test_one_that_says_nothing_is_left_in_time(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            failed = undelivered(url, network=Network(total_s=PATIENCE_S))

        assert failed.reason == "It did not answer within 1 seconds."
        assert not failed.is_final

    def test_one_that_never_ends_the_handshake_is_left_in_time(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
            failed = undelivered(url, network=Network(total_s=PATIENCE_S))

        assert failed.reason == "No connection came about in time."
        assert not failed.is_final

    def test_a_look_up_that_takes_for_ever_is_left_in_time(self) -> None:
        def resolve(host: str, port: int) -> list[str]:
            time.sleep(2 * PATIENCE_S)
            return ["127.0.0.1"]

        began = time.monotonic()
        failed = undelivered("http://slow.example/", network=Network(resolve=resolve, total_s=PATIENCE_S))

        assert time.monotonic() - began < 2 * PATIENCE_S
        assert failed.reason == "The host slow.example has no address: check its spelling."
        assert not failed.is_final

    def test_one_that_is_down_may_be_up_the_next_time(self) -> None:
        failed = undelivered(f"http://127.0.0.1:{free_port()}/")

        assert failed.reason.startswith("It could not be reached: ")
        assert (failed.status, failed.is_final, failed.is_gone) == (None, False, False)

    def test_one_that_hangs_up_may_answer_the_next_time(self) -> None:
        with receiving(Answer(status=HANGS_UP)) as server:
            failed = undelivered(server.url)

        assert failed.reason.startswith("It could not be reached: Server disconnected")
        assert (failed.status, failed.is_final, failed.is_gone) == (None, False, False)

    def test_one_that_answers_something_else_than_http_may_do_better_the_next_time(self) -> None:
        with receiving(Answer(headers={"Broken header": "\x00"})) as server:
            failed = undelivered(server.url)

        assert failed.reason.startswith("It could not be reached: ")
        assert not failed.is_final

    def test_the_next_address_is_tried_where_one_is_down(self) -> None:
        with receiving() as server:
            internet = StandInInternet({PUBLIC: server.port})
            network = Network(resolve=Names([OTHER_PUBLIC, PUBLIC]), backend=internet)

            assert posted(f"http://{HOST}/", network=network) == 200

        assert internet.dialled == [OTHER_PUBLIC, PUBLIC]

    def test_no_more_than_four_addresses_are_tried(self) -> None:
        internet = StandInInternet({})
        many = [f"93.184.216.{last}" for last in range(1, 10)]

        undelivered(f"http://{HOST}/", network=Network(resolve=Names(many), backend=internet))

        assert internet.dialled == many[:4]


class TestTls:
    def test_the_certificate_is_that_of_the_name_not_of_the_address(self, tmp_path: Path) -> None:
        server_tls, client_tls = certified(HOST, folder=tmp_path)
        with receiving(tls=server_tls) as server:
            assert (
                posted(f"https://{HOST}./", network=in_an_internet_of(server, tls=lambda: client_tls)) == 200
            )

        assert server.received[0].headers["host"] == HOST

    def test_a_certificate_of_another_name_is_not_believed(self, tmp_path: Path) -> None:
        server_tls, client_tls = certified("other.example.com", folder=tmp_path)
        with receiving(tls=server_tls) as server:
            failed = undelivered(
                f"https://{HOST}/", network=in_an_internet_of(server, tls=lambda: client_tls)
            )

        assert "certificate is not valid for 'hooks.example.com'" in failed.reason
        assert not failed.is_final
        assert server.received == []

    def test_a_certificate_of_nobody_we_know_is_not_believed(self, tmp_path: Path) -> None:
        server_tls, _ = certified(HOST, folder=tmp_path)
        with receiving(tls=server_tls) as server:
            failed = undelivered(
                f"https://{HOST}/", network=in_an_internet_of(server, tls=ssl.create_default_context)
            )

        assert "CERTIFICATE_VERIFY_FAILED" in failed.reason
        assert server.received == []

    def test_by_default_the_authorities_of_the_system_are_believed(self, tmp_path: Path) -> None:
        server_tls, _ = certified(HOST, folder=tmp_path)
        with receiving(tls=server_tls) as server:
            assert (
                "CERTIFICATE_VERIFY_FAILED"
                in undelivered(f"https://{HOST}/", network=in_an_internet_of(server)).reason
            )
