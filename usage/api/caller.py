"""Whom a request is answered to."""

from typing import cast

from rest_framework.request import Request

from usage.access import Principal, account_for
from usage.models import Account


def caller(request: Request) -> Principal:
    """The principal that authentication found; views are open to the authenticated alone."""
    return cast(Principal, request.auth)


def account_read(request: Request, external_id: str | None) -> Account:
    """The account the caller may read: the one named, or its own. Raises as `account_for` does."""
    return account_for(caller(request), external_id=external_id)
