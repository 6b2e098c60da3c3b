"""What a test has an upstream do, and what passes between the server and a provider's shape."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the upstream says a call consumed. Totals with parts; each shape spells them its own way."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How the upstream answers.

    `words` is the answer's text, sent as one event each where it streams. Without `tokens` a call consumes
    one input token per word of its question and one output token per word sent. `units` is what providers
    without tokens report: credits, images, pages. `cut_after` closes the connection after that many events,
    `stall_after` goes silent after them; with 0 no byte of an answer is sent.
    """

    words: tuple[str, ...] = ("Salt", " is", " cheap", ".")
    tokens: Tokens | None = None
    tells_usage: bool = True
    units: int = 1
    cost: str = "0.005"
    status: int = 200
    gzip: bool = False
    chunked: bool = False
    cut_after: int | None = None
    stall_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it arrived. `connection` is the client's port: equal for requests of one connection."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> dict[str, Any]:
        """The body, which must be a JSON object; an empty body is an empty one."""
        content: dict[str, Any] = json.loads(self.body or b"{}")
        return content

    @property
    def parameters(self) -> dict[str, str]:
        """The query's parameters, the last of each name."""
        return {name: values[-1] for name, values in parse_qs(self.query).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to send back: a `body`, or server-sent `events` each with its own blank line at the end."""

    body: bytes = b""
    events: tuple[bytes, ...] | None = None
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Shape(Protocol):
    """A provider's manner of speaking; the modules of this package are such shapes."""

    def answer(self, request: Received, script: Script, /) -> Answer:
        """The answer to a request that goes well."""

    def error(self, status: int, /) -> Answer:
        """An error as the provider words it."""


def spoken(script: Script, *, cap: int | None) -> tuple[str, ...]:
    """The words the model gets to say under an output cap of one token a word."""
    return script.words if cap is None else script.words[:cap]


def consumed(script: Script, *, question: str, words: tuple[str, ...]) -> Tokens:
    """What the script says was consumed, or else a token per word."""
    return script.tokens or Tokens(input=len(question.split()), output=len(words))


def as_json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def whole(content: Any) -> Answer:
    return Answer(body=as_json(content))


def refusal(status: int, content: Any, **headers: str) -> Answer:
    return Answer(body=as_json(content), status=status, headers=headers)


def stream(*events: bytes) -> Answer:
    return Answer(events=events, content_type="text/event-stream; charset=utf-8")


def data_event(content: Any) -> bytes:
    return b"data: " + as_json(content) + b"\n\n"


def named_event(name: str, content: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + as_json(content) + b"\n\n"


DONE = b"data: [DONE]\n\n"
