"""What a meter does, whether it works in this process or over HTTP."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from usage.events import UsageEvent
from usage.operations import Decision, Operation

# What an event names as its authorization when enforcement was unreachable and the policy let it pass.
UNENFORCED = "unenforced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Operations that `customer` (an account's external id) is about to carry out, to be held together."""

    customer: str
    operations: tuple[Operation, ...]
    expires_in: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Permission for an intent. `authorization` is what the events of its calls name.

    `output_caps` has, for each operation, the tokens one of its calls may at most generate, all choices
    together; None where the output is not counted in tokens. `decision` is None when enforcement was
    unreachable and the policy is to let pass.
    """

    authorization: str
    output_caps: tuple[int | None, ...]
    decision: Decision | None = None


class Meter(Protocol):
    """Authorizes before the call, settles after it. Safe to share between threads."""

    def authorize(self, intent: Intent) -> Grant:
        """Check and hold the worst case of `intent`.

        Raises UsageLimitExceededException with the decision when it is refused, PricingException for a model
        without a price, EnforcementUnavailable when nobody can say and the policy is to refuse then.
        """

    def settle(self, event: UsageEvent) -> None:
        """Record what a call consumed and give the rest of its hold back. Never raises for an outage: the
        event is kept on disk and recorded later, exactly once.
        """

    def release(self, grant: Grant) -> None:
        """Give back a hold whose call never reached the provider; an outage is left to the hold's expiry."""
