"""Which URLs that customers have entered are called; none that lead into our own network. No database."""

from pathlib import Path

import pytest

from alerts import outbound
from alerts.outbound import Network
from tests.support.certificates import certified
from tests.support.receivers import (
    HOST,
    OTHER_PUBLIC,
    PUBLIC,
    Answer,
    Names,
    StandInInternet,
    posted,
    receiving,
    undelivered,
)  # fmt: skip
from usage.core.errors import InvalidRequest

LOCAL_HOSTS = [
    "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:0:0:1]", "localhost", "LOCALHOST", "localhost.", "127.0.0.1.",
    "0.0.0.0", "0", "[::]", "10.0.0.1", "192.168.0.1", "172.16.0.1",  # noqa: S104
    "169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "[fe80::1%25lo]", "[64:ff9b::7f00:1]", "100.64.0.1",
]  # fmt: skip


class TestAddressesThatAreNotPublic:
    @pytest.mark.parametrize("host", LOCAL_HOSTS)
    def test_no_notation_of_them_can_be_entered(self, host: str) -> None:
        with pytest.raises(InvalidRequest, match=r"^address: "):
            outbound.check_url(f"https://{host}/alerts")

    @pytest.mark.parametrize("host", LOCAL_HOSTS)
    def test_no_notation_of_them_is_called(self, host: str) -> None:
        internet = StandInInternet({})

        undelivered(f"https://{host}/alerts", network=Network(backend=internet))

        assert internet.dialled == []

    @pytest.mark.parametrize("private", ["10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fe80::1%eth0"])
    def test_one_among_public_ones_is_enough_to_refuse(self, private: str) -> None:
        internet = StandInInternet({})
        network = Network(resolve=Names([PUBLIC, OTHER_PUBLIC, private]), backend=internet)

        refused = undelivered(f"https://{HOST}/", network=network)

        assert refused.is_final
        assert refused.reason == (
            f"The host {HOST} has an address that is not public: enter one that anybody can reach."
        )
        assert internet.dialled == []
        with pytest.raises(InvalidRequest, match=r"^address: The host hooks\.example\.com has an address"):
            outbound.check_url(f"https://{HOST}/", network=network)

    def test_a_name_that_moves_after_the_check_gains_nothing(self, tmp_path: Path) -> None:
        server_tls, client_tls = certified(HOST, folder=tmp_path)
        names = Names([PUBLIC], ["127.0.0.1"])
        with receiving() as inside, receiving(tls=server_tls) as outside:
            internet = StandInInternet({PUBLIC: outside.port, "127.0.0.1": inside.port})
            network = Network(resolve=names, backend=internet, tls=lambda: client_tls)

            assert posted(f"https://{HOST}/", network=network) == 200
            assert undelivered(f"https://{HOST}/", network=network).is_final

        assert len(outside.received) == 1
        assert inside.received == []
        assert internet.dialled == [PUBLIC]
        assert names.asked == [HOST, HOST]

    @pytest.mark.usefixtures("private_allowed")
    def test_private_ones_are_called_where_the_setting_says_so(self) -> None:
        with receiving() as server:
            assert outbound.check_url(server.url) == server.url
            assert posted(server.url) == 200

    @pytest.mark.usefixtures("private_allowed")
    def test_but_never_the_metadata_of_a_cloud(self) -> None:
        with pytest.raises(InvalidRequest, match="is not public"):
            outbound.check_url("http://169.254.169.254/latest/meta-data/")


class TestWhatCanBeEntered:
    @pytest.mark.parametrize(
        ("entered", "kept"),
        [
            ("https://hooks.example.com/alerts", "https://hooks.example.com/alerts"),
            ("  https://HOOKS.example.com:443/a?b=c \n", "https://hooks.example.com/a?b=c"),
            ("https://hooks.example.com:8443/", "https://hooks.example.com:8443/"),
            ("https://hooks.example.com./a", "https://hooks.example.com/a"),
            ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
            ("https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/a", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/a"),
        ],
    )  # fmt: skip
    def test_an_address_is_kept_in_one_form(self, entered: str, kept: str) -> None:
        assert outbound.check_url(entered, network=Network(resolve=Names([PUBLIC]))) == kept

    @pytest.mark.parametrize(
        ("entered", "sentence"),
        [
            ("", "Enter an address that begins with https://"),
            ("hooks.example.com", "Enter an address that begins with https://"),
            ("http://hooks.example.com/", "Enter an address that begins with https://"),
            ("ftp://hooks.example.com/", "Enter an address that begins with https://"),
            ("file:///etc/passwd", "Enter an address that begins with https://"),
            ("https:///alerts", "Enter an address that begins with https://"),
            ("https://ann:pass@hooks.example.com/", "Leave out the name and password before the @."),
            ("https://hooks.example.com\\@10.0.0.1/", "Leave out the name and password before the @."),
            ("https://hooks.example.com/#a", "Leave out the # and what follows it."),
            ("https://hooks.example.com/\n.", "This is no address"),
            ("https://hooks.example.com:port/", "This is no address"),
            ("https://①②⑦.⓪.⓪.①/", "This is no address"),
            (
                "https://hooks.example.com/" + "a" * (outbound.MAX_URL_CHARACTERS - 25),
                "At most 2000 characters",
            ),
        ],
    )
    def test_what_is_no_such_address_is_refused_with_what_to_do(self, entered: str, sentence: str) -> None:
        with pytest.raises(InvalidRequest, match=f"^address: {sentence}") as refused:
            outbound.check_url(entered, network=Network(resolve=Names([PUBLIC])))

        assert refused.value.details == {"field": "address"}

    def test_the_longest_address_is_taken(self) -> None:
        longest = "https://hooks.example.com/" + "a" * (outbound.MAX_URL_CHARACTERS - 26)

        assert outbound.check_url(longest, network=Network(resolve=Names([PUBLIC]))) == longest

    def test_a_host_that_nobody_knows_is_refused(self) -> None:
        with pytest.raises(
            InvalidRequest, match=r"^address: The host a\.example has no address: check its spelling"
        ):
            outbound.check_url("https://a.example/", network=Network(resolve=Names([])))

    @pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example", "a%20b"])
    def test_so_is_one_that_nobody_can_have(self, host: str) -> None:
        with pytest.raises(
            InvalidRequest, match=f"^address: The host {host} has no address: check its spelling"
        ):
            outbound.check_url(f"https://{host}/")

    def test_a_host_can_be_demanded(self) -> None:
        network = Network(resolve=Names([PUBLIC]))

        assert outbound.check_url("https://a.example/x", hosts=["a.example"], network=network)
        for other in ("https://b.example/", "https://a.example.b.example/", "https://b.example/a.example"):
            with pytest.raises(
                InvalidRequest, match=r"^address: Enter an address that begins with https://a\.example/"
            ):
                outbound.check_url(other, hosts=["a.example"], network=network)


class TestRedirects:
    @pytest.mark.usefixtures("private_allowed")
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_into_our_network_is_not_followed(self, status: int) -> None:
        location = {"Location": "http://169.254.169.254/latest/meta-data/"}
        with receiving(Answer(status=status, headers=location)) as server:
            internet = StandInInternet({"127.0.0.1": server.port})

            refused = undelivered(server.url, network=Network(backend=internet))

        assert (refused.is_final, refused.is_gone, refused.status) == (True, False, status)
        assert refused.reason == (
            f"It answered {status} with a redirect to http://169.254.169.254/latest/meta-data/, which is not "
            "followed: give the final address."
        )
        assert internet.dialled == ["127.0.0.1"]
        assert len(server.received) == 1

    @pytest.mark.usefixtures("private_allowed")
    def test_not_even_to_itself(self) -> None:
        with receiving(Answer(status=302, headers={"Location": "/elsewhere"})) as server:
            assert "redirect to /elsewhere" in undelivered(server.url).reason

        assert [request.path for request in server.received] == ["/alerts"]


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("https://hooks.slack.com/services/T00/B00/verysecrettoken", "hooks.slack.com/…oken"),
        ("https://hooks.example.com:8443/?token=verysecret", "hooks.example.com:8443/…cret"),
        ("https://hooks.example.com/", "hooks.example.com"),
        ("https://hooks.example.com", "hooks.example.com"),
    ],
)
def test_a_label_shows_the_host_and_no_secret(url: str, label: str) -> None:
    assert outbound.label(url) == label
