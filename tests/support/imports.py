"""Files to import, and the command that does it, here or in a process of its own."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command

from tests.support.database import address
from tests.support.processes import PROJECT
from tests.support.usage_rows import a_price

AZURE_TRACE = PROJECT.parent / "shared" / "data" / "AzureLLMInferenceTrace_code.csv"
LONG_AGO = datetime(2015, 1, 1, tzinfo=UTC)

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
# 3000 input and 300 output tokens cost 3000 × 0.0000025 + 300 × 0.00001 = 0.0105 USD.
TWO_CALLS = (
    "2023-11-16 18:17:03.9799600,1000,100",
    "2023-11-16 18:17:04.0319600,2000,200",
)


def gpt_4o_price() -> None:
    """gpt-4o at 2.50 USD per million input and 10 USD per million output tokens, since long ago."""
    a_price(since=LONG_AGO)


def a_file(folder: Path, *lines: str, name: str = "calls.csv") -> Path:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def a_csv(folder: Path, rows: Iterable[str] = TWO_CALLS, *, name: str = "calls.csv") -> Path:
    """A file of time, input and output tokens, under the column names of the Azure trace."""
    return a_file(folder, HEADER, *rows, name=name)


def import_usage(path: Path, *options: str, **more: Any) -> str:
    """What the command says on importing gpt-4o calls of acme; the error it ends with comes last."""
    said = StringIO()
    try:
        usual = {"account": "acme", "provider": "openai", "model": "gpt-4o", **more}
        call_command("import_usage", str(path), *options, stdout=said, **usual)
    except CommandError as stopped:
        said.write(f"Error: {stopped}")
    return said.getvalue()


def rejects_of(path: Path) -> list[dict[str, str]]:
    """The rows of the rejects file beside the imported one."""
    with path.with_name(f"{path.name}.rejects.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def start_import(path: Path) -> "subprocess.Popen[bytes]":
    """The command in a process of its own, on the database of this test."""
    options = ["--account", "acme", "--provider", "openai", "--model", "gpt-4o"]
    return subprocess.Popen(
        [sys.executable, str(PROJECT / "manage.py"), "import_usage", str(path), *options],
        env={**os.environ, "DATABASE_URL": address()},
        stdout=subprocess.DEVNULL,
    )
