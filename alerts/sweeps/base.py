"""What a sweep is."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from alerts.core.rules import Rule
from alerts.raising import Found


class Sweep(Protocol):
    """A module about one rule: all that holds of it, whoever's account it is; None for our staff."""

    RULE: Rule

    def find(self, *, at: datetime) -> Iterator[Found]: ...
