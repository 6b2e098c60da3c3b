"""How far callers reach: who may change what an account is told of, and who may read its inbox for it."""

from rest_framework.request import Request

from usage.access import Principal, account_for, speaks_for_us
from usage.api.caller import caller
from usage.core.errors import AccessDenied
from usage.models import Account, Member, Scope

# With it staff change for any account what it is told of, and mark its alerts read.
PERMISSION = "alerts.change_alertsettings"


def account_changed(request: Request, external_id: str | None) -> Account:
    """The account whose alerts the caller may change: the one named, or its own. Raises as `account_for`."""
    return _changed(caller(request), external_id)


def may_change(request: Request, account: Account) -> bool:
    """Whether `account_changed` would answer with it."""
    try:
        _changed(caller(request), account.external_id)
    except AccessDenied:
        return False
    return True


def account_marked(request: Request, external_id: str) -> Account:
    """The account whose alerts the caller may mark read. It is the inbox of all its members, those who only
    read included; staff who are not among them need the permission.
    """
    principal = caller(request)
    account = account_for(principal, external_id=external_id)
    is_foreign_staff = principal.accounts is None and principal.user is not None
    if is_foreign_staff and not (_is_member(principal, account) or _permitted(principal)):
        raise AccessDenied("Marking the alerts of a customer read takes the permission to change them.")
    return account


def _changed(principal: Principal, external_id: str | None) -> Account:
    return account_for(principal, external_id=external_id, scope=Scope.ADMIN, staff_permission=PERMISSION)


def _permitted(principal: Principal) -> bool:
    return speaks_for_us(principal, permission=PERMISSION)


def _is_member(principal: Principal, account: Account) -> bool:
    return Member.objects.filter(user=principal.user, account=account).exists()
