"""Usage by name, as objects in answers: what told no name and what is too much to list have names too."""

from collections.abc import Iterable

from usage.analytics import Breakdown
from usage.queries import NOTHING, Group, Totals

# All names beyond those that are listed, together.
OTHERS = "others"
# What told no name.
UNKNOWN = "unknown"


def by_name(found: Breakdown, *, untold: str = UNKNOWN) -> dict[str, Totals]:
    """Totals by key, the dearest first; those without a key as `untold`, those not listed as "others"."""
    rest = [Group(key=OTHERS, totals=found.others)] if found.others_count else []
    return added_up([*(Group(key=group.key or untold, totals=group.totals) for group in found.groups), *rest])


def added_up(groups: Iterable[Group]) -> dict[str, Totals]:
    """Totals by key: a key that bears one of our names by chance is counted with what we call so."""
    totals: dict[str, Totals] = {}
    for group in groups:
        totals[group.key] = totals.get(group.key, NOTHING) + group.totals
    return totals
