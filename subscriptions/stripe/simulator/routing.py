"""How a call on the simulated API finds what answers it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.store import Json

Handler = Callable[[Call], Json]


@dataclass(frozen=True)
class Route:
    """`path` has `*` where an id stands; `declared` names the TypedDict of the call's parameters."""

    method: str
    path: str
    declared: str
    handler: Handler

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.escape(self.path).replace(r"\*", "([^/]+)"))
