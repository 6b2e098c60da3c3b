"""Clients that report usage over HTTP all the time, and note what they were told."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx2
from django.utils import timezone

CALLERS = 4
EVENTS_A_REQUEST = 2
PAUSE_S = 0.1
REQUEST_S = 30
# Every so many requests are sent a second time, as by a client that missed the answer.
AGAIN_EVERY = 7


@dataclass
class Told:
    """Event ids by account, in the order they were answered as recorded; ids that were answered as a replay;
    anything else that was said, and how long the slowest answer took.
    """

    recorded: dict[str, list[str]] = field(default_factory=dict)
    replayed: list[str] = field(default_factory=list)
    otherwise: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    @property
    def count(self) -> int:
        return sum(len(ids) for ids in self.recorded.values())


@contextmanager
def calling(url: str, *, key: str, accounts: Sequence[str]) -> Iterator[Told]:
    """CALLERS clients report gpt-4o calls of 1000 input and 100 output tokens, of one account after the
    other, until the block ends; what they were told is complete then.
    """
    told, over = Told({account: [] for account in accounts}), threading.Event()
    callers = [_Caller(number, url=url, key=key, accounts=accounts, told=told) for number in range(CALLERS)]
    threads = [threading.Thread(target=each.call, args=(over,)) for each in callers]
    for thread in threads:
        thread.start()
    try:
        yield told
    finally:
        over.set()
        for thread in threads:
            thread.join()


class _Caller:
    def __init__(self, number: int, *, url: str, key: str, accounts: Sequence[str], told: Told) -> None:
        self._number, self._accounts, self._told = number, accounts, told
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._client = httpx2.Client(base_url=url, headers=headers, timeout=REQUEST_S)

    def call(self, over: threading.Event) -> None:
        with self._client:
            for number in count():
                account = self._accounts[(number + self._number) % len(self._accounts)]
                body = json.dumps([self._event(account, number, part) for part in range(EVENTS_A_REQUEST)])
                self._send(account, body)
                if number % AGAIN_EVERY == 0:
                    self._send(account, body)
                if over.wait(PAUSE_S):
                    return

    def _event(self, account: str, number: int, part: int) -> dict[str, object]:
        return {
            "id": f"{self._number}-{number}-{part}",
            "source": "callers",
            "subject": account,
            "time": timezone.now().isoformat(),
            "data": {
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 1000,
                "gen_ai.usage.output_tokens": 100,
            },
        }

    def _send(self, account: str, body: str) -> None:
        began = time.monotonic()
        try:
            answer = self._client.post("/api/usage/events", content=body)
        except httpx2.HTTPError as failure:
            self._told.otherwise.append(repr(failure))
            return
        self._told.slowest_s = max(self._told.slowest_s, time.monotonic() - began)
        if answer.status_code != httpx2.codes.OK:
            self._told.otherwise.append(f"{answer.status_code} {answer.text}")
            return
        for outcome in answer.json()["outcomes"]:
            self._note(account, outcome)

    def _note(self, account: str, outcome: dict[str, str]) -> None:
        match outcome["outcome"]:
            case "recorded":
                self._told.recorded[account].append(outcome["id"])
            case "replayed":
                self._told.replayed.append(outcome["id"])
            case _:
                self._told.otherwise.append(str(outcome))
