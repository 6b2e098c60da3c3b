"""What the rules about one account share: how the account stands, each thing read once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

from alerts import preferences
from alerts.core.findings import Finding
from alerts.core.rules import Rule
from usage import limits, queries
from usage.limits import LimitState
from usage.models import Account, UsageProjection


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An account that is looked at, at a moment."""

    account: Account
    at: datetime

    @cached_property
    def limits(self) -> list[LimitState]:
        return limits.states(self.account, at=self.at)

    @cached_property
    def projection(self) -> UsageProjection | None:
        return queries.projection_of(self.account, at=self.at)

    @cached_property
    def limit_thresholds(self) -> Sequence[int]:
        return preferences.limit_thresholds_of(self.account)

    @cached_property
    def budget_thresholds(self) -> Sequence[int]:
        return preferences.budget_thresholds_of(self.account)


class AccountRules(Protocol):
    """A module about some rules: all that holds of them for an account, in the order it is told."""

    RULES: Sequence[Rule]

    def find(self, standing: Standing) -> Iterator[tuple[Rule, Finding]]: ...
