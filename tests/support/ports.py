"""Ports of the loopback for servers that a test starts."""

import itertools
import os
import socket

# Below those that systems give to whoever asks for any port, as every connection does: one of these that is
# free stays so. Processes beside each other begin far apart.
FIRST, LAST, APART = 20_000, 32_000, 60
_start = FIRST + os.getpid() * APART % (LAST - FIRST)
_ports = itertools.cycle([*range(_start, LAST), *range(FIRST, _start)])


def free_port() -> int:
    """A loopback port that nobody listens on, and that this process has not been told of lately."""
    return next(port for port in _ports if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of an earlier one that are not quite over are nobody who listens.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
