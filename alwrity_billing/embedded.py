"""The services that come with the project: PostgreSQL from its wheel, the file-system broker's folders.

Used when `DATABASE_URL` or `CELERY_BROKER_URL` is unset. Several processes may share one data folder: the
first starts the server, the last one to exit stops it.
"""

import tempfile
from pathlib import Path

import psycopg
from django.core.exceptions import ImproperlyConfigured

from alwrity_billing import postgres_server

DATABASE_NAME = "alwrity_billing"


def database_url(data_dir: Path) -> str:
    """Start (or join) the embedded PostgreSQL under `data_dir` and return the URL of our database.

    Raises ImproperlyConfigured, in one sentence, when the folder cannot be used or the server does not start.
    """
    folder = make_folder(data_dir) / "postgres"
    try:
        return postgres_server.join(folder, database=DATABASE_NAME).url(DATABASE_NAME)
    except (OSError, psycopg.Error) as refused:
        raise ImproperlyConfigured(
            f"The embedded PostgreSQL cannot use {folder} ({str(refused).strip()}): "
            "make the folder usable, or set DATA_DIR to another one."
        ) from refused


def broker_folders(data_dir: Path) -> dict[str, object]:
    """Create the folders of kombu's `filesystem://` transport under `data_dir`; return its options."""
    base = make_folder(data_dir / "broker")
    return {
        "data_folder_in": str(make_folder(base / "queue")),
        "data_folder_out": str(make_folder(base / "queue")),
        "control_folder": str(make_folder(base / "control")),
        "processed_folder": str(make_folder(base / "processed")),
        "store_processed": False,
    }


def make_folder(folder: Path) -> Path:
    """Create `folder` if missing and return it; raises ImproperlyConfigured when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as refused:
        raise ImproperlyConfigured(
            f"The data folder {folder} cannot be written ({refused.strerror}): "
            "make it writable or set DATA_DIR to another folder."
        ) from refused
    return folder
