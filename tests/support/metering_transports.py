"""The synchronous transports of both libraries, for tests that hold for each."""

from collections.abc import Callable
from typing import Any

import httpx
import httpx2

from usage.metering import httpx_transports, transports

SECRET = "sk-very-secret"

# The library, and the transport for it.
SYNC_TRANSPORTS: list[tuple[Any, Any]] = [
    (httpx2, transports.MeteredTransport),
    (httpx, httpx_transports.MeteredTransport),
]
LIBRARIES = ["httpx2", "httpx"]

# Makes a client of either library whose calls to the upstream are metered.
Connect = Callable[..., Any]
