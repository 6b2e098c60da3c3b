"""The demo's logins and key, kept in a file only its owner can read: the database has nothing but hashes."""

import json
import os
import shlex
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings

from usage.models import ApiKey

FILE_NAME = "demo-credentials.json"
ONLY_OWNER = 0o600
EVENTS_PATH = "/api/usage/events"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCredentials:
    """What is needed to try the demo. `api_key` may send and read usage of every account."""

    staff_username: str
    staff_password: str = field(repr=False)
    customer_username: str
    customer_password: str = field(repr=False)
    customer_account: str
    api_key: str = field(repr=False)

    def curl(self, url: str) -> str:
        """A shell command that sends one call of the customer's account to the server at `url`.

        The shell makes the event's id, so that every run is a new event.
        """
        before, after = json.dumps(self._event(), indent=2).split("<now>")
        body = f'{shlex.quote(before)}"$(date +%s)"{shlex.quote(after)}'
        return " \\\n".join(
            [
                f"curl -sS {shlex.quote(url.rstrip('/') + EVENTS_PATH)}",
                f"  -H 'Authorization: Bearer {self.api_key}'",
                "  -H 'Content-Type: application/json'",
                f"  -d {body}",
            ]
        )

    def _event(self) -> dict[str, object]:
        return {
            "id": "hello-<now>",
            "source": "curl",
            "subject": self.customer_account,
            "data": {
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 1200,
                "gen_ai.usage.output_tokens": 300,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The file's content: the credentials, the moment the demo was made for, and whether it is complete."""

    credentials: DemoCredentials
    made_at: datetime
    finished: bool


def credentials(data_dir: Path) -> DemoCredentials | None:
    """The credentials kept under `data_dir`; None without a demo in this database, and in production."""
    if settings.PRODUCTION or (record := read(data_dir)) is None:
        return None
    return record.credentials if is_known(record) else None


def is_known(record: Record) -> bool:
    """Whether this database is the one that the credentials were made for, and their key still opens it."""
    prefix = record.credentials.api_key.partition(".")[0]
    return ApiKey.objects.filter(prefix=prefix, revoked=False).exists()


def read(data_dir: Path) -> Record | None:
    """What the file under `data_dir` says; None when it is missing or not ours to understand."""
    try:
        content = json.loads((data_dir / FILE_NAME).read_text(encoding="utf-8"))
        return Record(
            credentials=DemoCredentials(**content["credentials"]),
            made_at=datetime.fromisoformat(content["made_at"]),
            finished=content["finished"],
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write(record: Record, *, data_dir: Path) -> None:
    """Keep `record` under `data_dir`, readable by the owner alone, all of it or what was there before."""
    data_dir.mkdir(parents=True, exist_ok=True)
    content = {
        "credentials": asdict(record.credentials),
        "made_at": record.made_at.isoformat(),
        "finished": record.finished,
    }
    unfinished = data_dir / f"{FILE_NAME}.new"
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ONLY_OWNER)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    unfinished.replace(data_dir / FILE_NAME)
