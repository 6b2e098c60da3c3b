"""The spool from the command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cast import an_event
from tests.support.metering_server import API_KEY, MeteringServer
from usage.metering import flush
from usage.metering.spool import Refused, Spool


@pytest.fixture
def server() -> Iterator[MeteringServer]:
    with MeteringServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(flush.API_KEY_VARIABLE, API_KEY)


@pytest.fixture
def spool_path(tmp_path: Path) -> Path:
    """A spool in which e1 is parked and e2 waits."""
    path = tmp_path / "spool.sqlite3"
    spool = Spool(path)
    for name in ("e1", "e2"):
        spool.put(an_event(name))
    number = spool.oldest(1)[0].number
    spool.conclude(parked=[Refused(number=number, code="price_unknown", message="tests/e1: No price.")])
    spool.close()
    return path


def test_it_tells_what_is_in_the_spool(spool_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert flush.main([str(spool_path)]) == 1
    assert capsys.readouterr().out == "1 waiting, 1 parked\nparked: price_unknown: tests/e1: No price.\n"


def test_it_delivers_what_waits(
    server: MeteringServer, spool_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flush.main([str(spool_path), "--url", server.url]) == 1
    assert server.event_ids == ["e2"]
    assert capsys.readouterr().out.startswith("0 waiting, 1 parked\n")


def test_it_sends_parked_events_again(
    server: MeteringServer, spool_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flush.main([str(spool_path), "--url", server.url, "--resend"]) == 0
    assert server.event_ids == ["e2", "e1"]
    assert capsys.readouterr().out == "0 waiting, 0 parked\n"


def test_a_server_that_is_away_leaves_everything(
    server: MeteringServer, spool_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.stop()

    assert flush.main([str(spool_path), "--url", server.url, "--timeout", "1"]) == 1
    assert capsys.readouterr().out.startswith("1 waiting, 1 parked\n")


def test_a_missing_key_is_told(
    server: MeteringServer,
    spool_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(flush.API_KEY_VARIABLE)

    assert flush.main([str(spool_path), "--url", server.url]) == 1
    assert "api_key takes a key" in capsys.readouterr().err


def test_a_spool_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.sqlite3"

    assert flush.main([str(path)]) == 1
    assert capsys.readouterr().err == f"There is no spool at {path}.\n"
    assert not path.exists()
