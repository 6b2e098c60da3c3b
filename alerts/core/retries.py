"""When a delivery that failed is tried again."""

import hashlib
from datetime import timedelta

# The schedule that the Standard Webhooks specification suggests, from the first failure on.
WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER_PERCENT = 20


def wait_after(failures: int, *, key: str) -> timedelta | None:
    """How long to wait after the given number of failures (1 is the first); None: no more attempts.

    Up to JITTER_PERCENT longer than WAITS says, by a fraction that follows from `key`, so that what failed
    together is not tried again together.
    """
    if failures > len(WAITS):
        return None
    digest = hashlib.blake2b(f"{key}:{failures}".encode(), digest_size=2).digest()
    thousandths = int.from_bytes(digest) * 1000 // 65_536
    wait = WAITS[failures - 1]
    return wait + wait * JITTER_PERCENT * thousandths / 100_000
