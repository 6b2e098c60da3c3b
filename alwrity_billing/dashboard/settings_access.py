"""Who may change which settings of an account.

People are changed by owners, keys and the budget also by billing admins; each by our staff who may do so in
the admin. Only by persons: a key in a header acts for an account, not for anybody in it, and a key that could
bring people in would make its maker an owner.
"""

from alwrity_billing.dashboard.visits import Visit
from usage import access
from usage.core.errors import AccessDenied
from usage.models import Role, Scope

CHANGES_MEMBERS = "usage.change_member"
ISSUES_KEYS = "usage.add_apikey"
REVOKES_KEYS = "usage.change_apikey"
CHANGES_BUDGETS = "subscriptions.change_budget"


def is_our_staff(visit: Visit, permission: str) -> bool:
    """Whether the person acts for us with that Django permission."""
    return visit.principal.user is not None and access.speaks_for_us(visit.principal, permission=permission)


def may_change_members(visit: Visit) -> bool:
    return visit.principal.user is not None and (
        access.role_in(visit.principal, visit.account) is Role.OWNER or is_our_staff(visit, CHANGES_MEMBERS)
    )


def require_members(visit: Visit) -> None:
    """Raises AccessDenied for whom `may_change_members` is false."""
    if not may_change_members(visit):
        raise AccessDenied("Only an owner of this account may change who is in it.")


def may(visit: Visit, permission: str) -> bool:
    """Whether the person is an owner, a billing admin, or of our staff with that Django permission."""
    try:
        require(visit, permission)
    except AccessDenied:
        return False
    return True


def require(visit: Visit, permission: str) -> None:
    """Raises AccessDenied for whom `may` is false."""
    if visit.principal.user is None:
        raise AccessDenied("Settings are changed by people: log in without a key.")
    access.account_for(
        visit.principal,
        external_id=visit.account.external_id,
        scope=Scope.ADMIN,
        staff_permission=permission,
    )
