"""A customer whose metered calls really are priced and recorded."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.cast import an_account
from tests.support.prices import load
from tests.support.sdk_metering import CUSTOMER
from usage import price_lists
from usage.metering.local import LocalMeter


@contextmanager
def billing(provider: str, *, model: str = "*") -> Iterator[LocalMeter]:
    """A meter that writes to the database, where the customer has an account and the real prices of `model`
    are loaded; at the block's end everything is written.
    """
    an_account(CUSTOMER)
    load_prices_of(provider, model)
    meter = LocalMeter()
    try:
        yield meter
    finally:
        meter.close()


def load_prices_of(provider: str, model: str) -> None:
    """Every dated price the lists have of one model."""
    wanted = (provider, model)
    load(*(entry for entry in price_lists.every_entry() if (entry.provider, entry.model_name) == wanted))
