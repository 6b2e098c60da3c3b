"""What the simulator's parts pass each other: a request as it came, an answer as it goes."""

import json
from dataclasses import dataclass, field

from subscriptions.stripe.simulator.store import Json


@dataclass(frozen=True, kw_only=True)
class Request:
    """`headers` have lower-case names; `base_url` is how the client reached the simulator."""

    method: str
    path: str
    query: str = ""
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    base_url: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: str
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class NoAnswer(Exception):
    """The connection ends without an answer: after `hold_s` seconds, or with a reset."""

    def __init__(self, *, hold_s: float, is_reset: bool = False) -> None:
        super().__init__("a fault keeps the answer back")
        self.hold_s = hold_s
        self.is_reset = is_reset


def json_answer(body: Json, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status=status, body=json.dumps(body), headers=headers or {})
