"""Which accounts a person may open, for the page that lets them choose."""

from dataclasses import dataclass

from django.db.models import Q

from usage.access import Principal
from usage.models import Account

MOST_ACCOUNTS = 20
LONGEST_TERM = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Accounts that match a search, by name; `has_more` when the search must be narrowed to see them all."""

    accounts: list[Account]
    has_more: bool


def accounts_within(principal: Principal, *, term: str) -> Choice:
    """At most MOST_ACCOUNTS accounts in reach of `principal` whose name or external id holds `term`."""
    accounts = Account.objects.order_by("name", "id")
    if principal.accounts is not None:
        accounts = accounts.filter(pk__in=principal.accounts)
    # PostgreSQL's text holds no NUL, which a URL may well contain.
    wanted = term.replace("\x00", "")[:LONGEST_TERM].strip()
    if wanted:
        accounts = accounts.filter(Q(name__icontains=wanted) | Q(external_id__icontains=wanted))
    found = list(accounts[: MOST_ACCOUNTS + 1])
    return Choice(accounts=found[:MOST_ACCOUNTS], has_more=len(found) > MOST_ACCOUNTS)
