"""Who does something: a person, a key, or the system itself. Kept with everything that is done."""

from dataclasses import dataclass

from django.contrib.auth.models import User

MAX_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """`name` is what history shows and never a secret; `user` is set for people."""

    name: str
    user: User | None = None


SYSTEM = Actor(name="system")


def of_user(user: User) -> Actor:
    return Actor(name=user.get_username()[:MAX_NAME_LENGTH], user=user)
