"""Who does something, as `usage.actors` says, and who that is of those whom the access layer lets in."""

from usage.access import Principal
from usage.actors import MAX_NAME_LENGTH, SYSTEM, Actor, of_user

__all__ = ["SYSTEM", "Actor", "of_principal", "of_user"]


def of_principal(principal: Principal) -> Actor:
    return Actor(name=principal.name[:MAX_NAME_LENGTH], user=principal.user)
