"""A mail server of the test's own that speaks just enough SMTP to refuse what it is told to refuse."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
