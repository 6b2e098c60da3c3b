"""Reading what a refused request still sends, so that its sender gets to read the answer.

A server that answers and closes while the client is still sending a large body makes many clients fail with a
broken pipe, the answer unread: they would never learn that their key is wrong or their batch too large.
"""

from collections.abc import Callable, Iterable
from typing import Any

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

PIECE_BYTES = 64 * 1024


def draining(application: Application, *, at_most_bytes: int) -> Application:
    """`application`, which after an error answer also reads the rest of the body, up to `at_most_bytes`."""

    def drained(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        refused = False

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal refused
            refused = status[:1] in "45"
            return start_response(status, headers, *rest)

        response = application(environ, start)
        if refused:
            read_rest(environ, at_most_bytes=at_most_bytes)
        return response

    return drained


def read_rest(environ: dict[str, Any], *, at_most_bytes: int) -> None:
    """Read and forget what is left of the request's body, within the bound."""
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdigit() and not environ.get("wsgi.input_terminated"):
        return  # nothing says where the body ends
    left = min(int(length), at_most_bytes) if length.isdigit() else at_most_bytes
    while left > 0 and (piece := environ["wsgi.input"].read(min(PIECE_BYTES, left))):
        left -= len(piece)
