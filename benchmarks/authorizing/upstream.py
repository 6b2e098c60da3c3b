"""A provider that answers every request at once and in the same words, in a process of its own."""

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.authorizing.asking import OPERATION
from benchmarks.authorizing.http_client import is_whole
from benchmarks.processes import prepared
from benchmarks.web import HOST

INPUT_TOKENS, OUTPUT_TOKENS = 900, 150
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_767_225_600,
    "model": OPERATION.model,
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "4 809 m."}, "finish_reason": "stop"}
    ],
    "usage": {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    },
}
BODY = json.dumps(COMPLETION).encode()
HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
ANSWER = HEAD.encode() + BODY


class Answering(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._transport is not None and is_whole(self._received):
            self._received = b""
            self._transport.write(ANSWER)


@contextmanager
def answering() -> Iterator[int]:
    """The provider; yields its port."""
    with socket.create_server((HOST, 0)) as listening:
        process = prepared().Process(target=answer_all, args=(listening,))
        process.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            process.terminate()
            process.join()


def answer_all(listening: socket.socket) -> None:
    """Answer until terminated. Ctrl-C is for the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    asyncio.run(serve(listening))


async def serve(listening: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, sock=listening)
    await server.serve_forever()
