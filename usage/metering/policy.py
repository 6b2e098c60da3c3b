"""What becomes of calls while nobody can say whether they may go ahead."""

from typing import Literal, get_args

from usage.core.errors import BillingError, EnforcementUnavailable, InvalidRequest
from usage.metering.protocol import UNENFORCED, Grant, Intent

# "closed" refuses calls, "open" lets them pass with a grant that says `UNENFORCED`.
FailPolicy = Literal["closed", "open"]


def fail_policy_of(given: str) -> FailPolicy:
    """The policy of that name; raises InvalidRequest for another name."""
    for known in get_args(FailPolicy):
        if given == known:
            return known  # type: ignore[no-any-return]
    raise InvalidRequest(f'fail is {given!r}: it takes "closed" or "open".')


def without_answer(intent: Intent, outage: BillingError, *, fail: FailPolicy) -> Grant:
    """What the policy makes of `outage`: the grant of an unchecked call, or EnforcementUnavailable."""
    if fail == "closed":
        raise EnforcementUnavailable(outage.message, code=outage.error_code) from outage
    own_caps = tuple(operation.max_output_tokens for operation in intent.operations)
    return Grant(authorization=UNENFORCED, output_caps=own_caps)
