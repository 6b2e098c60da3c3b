"""Letting Stripe hear again of what was parked: an invoice, a credit note, or whom invoices go to."""

from typing import Any

from django.utils import timezone

from subscriptions.stripe import push
from subscriptions.stripe.rows import Row
from usage.admin.operations import Operation


def is_parked(row: Row | None) -> bool:
    """Whether pushing the row was given up until somebody looks."""
    return row is not None and row.push_at is None and bool(row.push_error)


def push_again(row: Row, name: str) -> Operation:
    """The page that has the row pushed once more."""

    def act(_: Any) -> str:
        push.try_again(row, at=timezone.now())
        return f"The next run pushes {name} to Stripe again. It had failed with: {row.push_error}"

    return Operation(
        title=f"Push {name} to Stripe again",
        explanation=f"Stripe refused it with: {row.push_error or 'nothing'}. What is to blame should be put "
        "right first; the next run then tries again.",
        act=act,
        submit="Push again",
    )
