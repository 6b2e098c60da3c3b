"""What every test stands on: the embedded PostgreSQL in a folder of its own, and nothing from the machine."""

import os
from pathlib import Path

os.environ.setdefault("DATA_DIR", str(Path(__file__).resolve().parent.parent / "var" / "test"))
os.environ["DATABASE_POOL"] = "false"
