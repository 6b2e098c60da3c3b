"""Who comes to the API about alerts."""

from django.contrib.auth.models import Permission, User

from tests.support.cast import a_user
from tests.support.credentials import a_key
from usage.models import Account, Scope

ALERTS = "/api/usage/alerts"


def an_admin_key(account: Account | None) -> str:
    """A key that reads and changes; without an account a service key."""
    return a_key(account, scopes=(Scope.READ, Scope.ADMIN)).plain


def staff(*permissions: str) -> User:
    """Sam of our staff, with these permissions."""
    sam = a_user("sam", is_staff=True)
    sam.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return sam


def permit(user: User) -> User:
    """The same, who may from now on change what customers are told of."""
    user.user_permissions.set(Permission.objects.filter(codename="change_alertsettings"))
    return User.objects.get(pk=user.pk)
