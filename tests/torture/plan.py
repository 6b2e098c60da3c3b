"""What a run does, and what it found."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, with how many clients and writers, and with how many different seeds."""

    minutes: float
    clients: int
    writers: int
    seeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One round of racing clients. With `crash` the server is stopped in the middle of it."""

    seed: int
    limits: int
    accounts: int
    crash: bool

    def __str__(self) -> str:
        accounts = "one hot account" if self.accounts == 1 else f"{self.accounts} accounts"
        limits = "1 limit" if self.limits == 1 else f"{self.limits} limits"
        return f"seed {self.seed}, {limits}, {accounts}{', a crash' if self.crash else ''}"


@dataclass(frozen=True, slots=True)
class Found:
    """What happened, counted, and a line for everything that was not as it must be."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def scenes(seeds: int, *, many: int) -> list[Scene]:
    """Every combination, the seeds one after the other; every third seed brings a crash."""
    return [
        Scene(seed=seed, limits=limits, accounts=accounts, crash=seed % 3 == 0)
        for seed in range(seeds)
        for limits in (1, 6)
        for accounts in (1, many)
    ]
