"""The events that are measured: a reseller's gateway that reports the calls of a thousand customers.

Customers are drawn evenly, which is the hard case: a batch of 1000 touches some 630 accounts, so hardly two
events share a row of the totals. Each customer uses three of the calls below, for two teams. A twentieth of
the events arrives late, by up to three days. Everything but the present time is drawn from a seed.
"""

import random
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from usage.events import Tags, Units, UsageData, UsageEvent

ACCOUNTS = 1_000
SOURCE = "gateway"
LATEST_ARRIVAL = timedelta(days=3)
LATE_SHARE = 0.05
TEAMS = (Tags(team="content", project="blog"), Tags(team="research", project="reports"))
CALLS_PER_ACCOUNT = 3
VARIANTS = 25


class Ids(StrEnum):
    """How a sender names its events: UUIDs that ascend with time (version 7), or random ones (version 4)."""

    TIME_ORDERED = "time-ordered"
    RANDOM = "random"


class Call(NamedTuple):
    """A kind of call; token counts are drawn up to these."""

    provider: str
    model: str
    endpoint: str
    operation: str
    input_tokens: int = 0
    output_tokens: int = 0
    units: Units | None = None


# Models under the price book's own names.
CALLS = (
    Call("openai", "gpt-4o", "/v1/chat/completions", "chat", 6_000, 800),
    Call("openai", "gpt-4o-mini", "/v1/chat/completions", "chat", 4_000, 600),
    Call("openai", "o3", "/v1/responses", "chat", 9_000, 4_000),
    Call("anthropic", "claude-sonnet-4-5", "/v1/messages", "chat", 12_000, 1_500),
    Call("gemini", "gemini-2.5-pro", "/v1beta/models:generateContent", "chat", 20_000, 2_000),
    Call("gemini", "gemini-2.5-flash", "/v1beta/models:generateContent", "chat", 8_000, 900),
    Call("mistral", "mistral-large", "/v1/chat/completions", "chat", 5_000, 700),
    Call("tavily", "", "/search", "search"),
    Call("serper", "", "/search", "search"),
    Call("stability", "sd3", "/v2beta/stable-image/generate", "image", units=Units(images=1)),
)


def external_id(number: int) -> str:
    """The id of customer `number`, counted from 0."""
    return f"customer-{number:04d}"


class Workload:
    """An endless stream of events, the same for the same seed and times."""

    def __init__(self, *, seed: str, ids: Ids) -> None:
        self.random = random.Random(seed)
        self.ids = ids
        self.variants = {
            (call, tags): [self._data(call, tags) for _ in range(VARIANTS)]
            for call in CALLS
            for tags in TEAMS
        }
        self.customers = [(external_id(number), self._habits(number)) for number in range(ACCOUNTS)]

    def batch(
        self, size: int, *, at: datetime, spread: timedelta = timedelta(minutes=1), hot: bool = False
    ) -> list[UsageEvent]:
        """The next `size` events as reported at `at`, most of them from the `spread` before.

        `hot` takes all of them from one customer.
        """
        customers = self.customers[:1] if hot else self.customers
        now, window = at.timestamp(), spread.total_seconds()
        return [self._event(customers, now=now, window=window) for _ in range(size)]

    def _event(
        self, customers: Sequence[tuple[str, list[list[UsageData]]]], *, now: float, window: float
    ) -> UsageEvent:
        draw = self.random.random
        subject, habits = customers[int(draw() * len(customers))]
        if draw() < LATE_SHARE:
            window = LATEST_ARRIVAL.total_seconds()
        moment = now - draw() * window
        variants = habits[int(draw() * len(habits))]
        return UsageEvent(
            id=self._id(moment),
            source=SOURCE,
            subject=subject,
            time=datetime.fromtimestamp(moment, UTC),
            data=variants[int(draw() * VARIANTS)],
        )

    def _id(self, moment: float) -> str:
        if self.ids is Ids.RANDOM:
            return str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        milliseconds = int(moment * 1000) << 80
        return str(uuid.UUID(int=milliseconds | 0x7 << 76 | 0b10 << 62 | self._random_bits_of_version_7()))

    def _random_bits_of_version_7(self) -> int:
        return self.random.getrandbits(12) << 64 | self.random.getrandbits(62)

    def _habits(self, number: int) -> list[list[UsageData]]:
        """The data a customer's events are drawn from: one list for each of its calls and teams."""
        own = [CALLS[(number + step * step) % len(CALLS)] for step in range(1, CALLS_PER_ACCOUNT + 1)]
        return [self.variants[call, tags] for call in own for tags in TEAMS]

    def _data(self, call: Call, tags: Tags) -> UsageData:
        tokens: dict[str, Any] = {}
        if call.input_tokens:
            stated = self.random.randint(call.input_tokens // 10, call.input_tokens)
            tokens = {
                "input_tokens": stated,
                "cached_input_tokens": self.random.choice((0, 0, stated // 2)),
                "output_tokens": self.random.randint(call.output_tokens // 10, call.output_tokens),
            }
        return UsageData(
            provider=call.provider,
            request_model=call.model,
            operation=call.operation,
            endpoint=call.endpoint,
            method="POST",
            response_time=round(self.random.uniform(0.2, 9), 3),
            request_size=self.random.randint(500, 60_000),
            response_size=self.random.randint(500, 9_000),
            units=call.units or Units(),
            tags=tags,
            **tokens,
        )


def as_json(batch: Sequence[UsageEvent]) -> bytes:
    """The batch as a CloudEvents sender puts it on the wire, the attributes we ignore included."""
    every_time = {"specversion": "1.0", "type": "com.example.ai.call", "datacontenttype": "application/json"}
    return msgspec.json.encode([every_time | msgspec.to_builtins(event) for event in batch])
