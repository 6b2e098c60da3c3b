"""Tokens for the links in emails: whoever has one may do one thing to one recipient, without logging in.

A token says which row it is about; its signature holds for the purpose and the email address it was made for
alone, so that it ends with the address. It has no other end: mails are read late, and its secret is
`SECRET_KEY` (or one of `SECRET_KEY_FALLBACKS`).
"""

import re

from django.core.signing import BadSignature, Signer

SUBJECT = re.compile(r"([a-z])([0-9]{1,18})")


class UnknownToken(Exception):
    """Nobody has made it, or what it was made for is gone."""


def sign(kind: str, pk: int, *, purpose: str, email: str) -> str:
    """A token for the row `pk` of a kind, which is a lower-case letter."""
    return _signer(purpose, email).sign(f"{kind}{pk}")


def claimed(token: str) -> tuple[str, int]:
    """What a token says it is about, not to be believed before `check`. Raises UnknownToken."""
    found = SUBJECT.fullmatch(token.partition(":")[0])
    if found is None:
        raise UnknownToken
    return found[1], int(found[2])


def check(token: str, *, purpose: str, email: str) -> None:
    """Raise UnknownToken unless it was made for this purpose and address."""
    try:
        _signer(purpose, email).unsign(token)
    except BadSignature as bad:
        raise UnknownToken from bad


def _signer(purpose: str, email: str) -> Signer:
    return Signer(salt=f"{purpose}:{email.lower()}")
