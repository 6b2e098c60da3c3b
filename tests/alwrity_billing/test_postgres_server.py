"""The embedded server in real folders: odd paths, crashes, several users at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured

from alwrity_billing import embedded, postgres_server
from tests.support.processes import PROJECT, a_data_dir, is_alive, wait_until

LEAVE_S = 60
STOP_S = 30
# Uses the embedded database of a folder until its standard input closes; says where it is.
USER = """
import sys
from pathlib import Path
from alwrity_billing import embedded
print(embedded.database_url(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


class User:
    """A process that uses the server of a data folder."""

    def __init__(self, data_dir: Path) -> None:
        command = [sys.executable, "-W", "error", "-c", USER, str(data_dir)]
        self.process = subprocess.Popen(
            command,
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def url(self) -> str:
        assert self.process.stdout
        assert self.process.stderr
        return self.process.stdout.readline().strip() or self.process.stderr.read()

    def leave(self) -> str:
        """End it in order; what it complained about."""
        return self.process.communicate(timeout=LEAVE_S)[1]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def server_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def remember(url: str, word: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS words")
        connection.execute("CREATE TABLE words AS SELECT %s::text AS word", [word])


def recalled(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT word FROM words").fetchone()
    assert row
    return str(row[0])


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A data folder whose database is made, and which nobody uses: of every test that needs no new one."""
    with a_data_dir() as data_dir:
        User(data_dir).leave()
        yield data_dir


@pytest.mark.parametrize("name", ["with space", "dollar$HOME", "quote'd", "ümlaut", "deep" + "/x" * 100])
def test_it_starts_in_any_folder(data_dir: Path, name: str) -> None:
    user = User(data_dir / name)

    with psycopg.connect(user.url()) as connection:
        assert connection.info.dbname == embedded.DATABASE_NAME
    assert user.leave() == ""


def test_the_server_is_set_up_for_the_project(made: Path) -> None:
    user = User(made)
    names = (
        "shared_buffers",
        "synchronous_commit",
        "fsync",
        "listen_addresses",
        "timezone",
        "server_encoding",
    )

    with psycopg.connect(user.url()) as connection:
        found = {name: connection.execute(f"SHOW {name}").fetchone() for name in names}
    user.leave()

    values = ("256MB", "on", "on", "", "UTC", "UTF8")
    assert found == {name: (value,) for name, value in zip(names, values, strict=True)}


def test_users_that_start_together_share_one_server(data_dir: Path) -> None:
    users = [User(data_dir) for _ in range(4)]

    assert len({user.url() for user in users}) == 1
    assert [user.leave() for user in users] == [""] * 4


def test_the_last_user_to_leave_stops_the_server(made: Path) -> None:
    first, second = User(made), User(made)
    first.url()
    second.url()
    pid = server_pid(made)

    first.leave()
    assert is_alive(pid)
    second.leave()
    assert wait_until(lambda: not is_alive(pid), seconds=STOP_S)


def test_a_killed_user_does_not_count(made: Path) -> None:
    killed, other = User(made), User(made)
    killed.url()
    other.url()
    pid = server_pid(made)

    killed.kill()
    other.leave()

    assert wait_until(lambda: not is_alive(pid), seconds=STOP_S)


def test_data_survives_a_killed_server_and_user(made: Path) -> None:
    crashed = User(made)
    remember(crashed.url(), "kept")
    os.kill(server_pid(made), signal.SIGKILL)
    crashed.kill()

    after = User(made)

    assert recalled(after.url()) == "kept"
    after.leave()


def test_a_pid_file_that_names_a_stranger_is_not_believed(made: Path) -> None:
    crashed = User(made)
    remember(crashed.url(), "kept as well")
    os.kill(server_pid(made), signal.SIGKILL)
    crashed.kill()
    pid_file = made / "postgres" / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(pid_file.read_text().split()[0], str(os.getpid()), 1))

    after = User(made)

    assert recalled(after.url()) == "kept as well"
    after.leave()


def test_a_half_made_folder_is_made_anew(data_dir: Path) -> None:
    (data_dir / "postgres.unfinished" / "base").mkdir(parents=True)

    user = User(data_dir)

    assert user.url().startswith("postgresql://")
    user.leave()


def test_an_empty_folder_is_filled(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir()

    user = User(data_dir)

    assert user.url().startswith("postgresql://")
    user.leave()


def test_a_server_that_cannot_start_is_explained_in_its_own_words(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    data.mkdir(mode=0o700)
    (data / "PG_VERSION").write_text("9.6\n")

    with pytest.raises(ImproperlyConfigured, match=r"did not start \(its log is .*\): .* Set DATABASE_URL"):
        postgres_server.join(data, database="x")
