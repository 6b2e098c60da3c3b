"""Mail servers of the test's own that speak just enough SMTP: to refuse what they are told to refuse, and to
keep what they get.
"""

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from email.policy import default

GREETING = b"220 mail.example.com\r\n"


class _Session(socketserver.StreamRequestHandler):
    server: "_Server"

    def handle(self) -> None:
        self.wfile.write(GREETING)
        while line := self.rfile.readline():
            verb = line.split()[0].upper().decode()
            self.wfile.write(f"{self.server.answers.get(verb, '250 fine')}\r\n".encode())
            if verb == "QUIT":
                return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    answers: dict[str, str]


@contextmanager
def a_mail_server(**answers: str) -> Iterator[int]:
    """The port of one that answers these verbs so, such as RCPT="550 no such user", others with 250."""
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.answers = answers
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _Keeping(socketserver.StreamRequestHandler):
    server: "Mailbox"

    def handle(self) -> None:
        self.wfile.write(GREETING)
        while line := self.rfile.readline():
            verb = line.split()[0].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.server.received.append(email.message_from_bytes(self._message(), policy=default))
            self.wfile.write(b"250 fine\r\n")
            if verb == b"QUIT":
                return

    def _message(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        return b"".join(lines)


class Mailbox(socketserver.ThreadingTCPServer):
    """Keeps every mail, in the order in which they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keeping)
        self.received: list[Message] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextmanager
def a_mailbox() -> Iterator[Mailbox]:
    """A mail server that takes every mail, until the block ends."""
    with Mailbox() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
