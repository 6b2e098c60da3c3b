"""What others may want to hear at once."""

from functools import partial

from django.db import transaction
from django.dispatch import Signal

# Sent after the commit that planned deliveries, without arguments: only to be faster than the clock.
deliveries_planned = Signal()


def announce_deliveries() -> None:
    """Let those who listen hear, once this transaction is committed, that something is to be delivered."""
    transaction.on_commit(partial(deliveries_planned.send_robust, None), robust=True)
