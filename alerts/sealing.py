"""Keeping texts that we need again, such as a Slack address, unreadable in the database.

The key follows from `SECRET_KEY`; what was sealed with one of `SECRET_KEY_FALLBACKS` can still be opened.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

PURPOSE = b"alerts.sealing"


class Unreadable(Exception):
    """It was sealed with a key that is not known any more."""


def seal(text: str) -> str:
    """`text`, unreadable; never the same twice."""
    return _keys().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """What was sealed; raises Unreadable."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken as unknown:
        raise Unreadable("It was stored under another SECRET_KEY: enter it again.") from unknown


def fingerprint(text: str) -> str:
    """Tells whether two texts are the same, and nothing else about them."""
    return hmac.new(settings.SECRET_KEY.encode(), PURPOSE + text.encode(), hashlib.sha256).hexdigest()


def _keys() -> MultiFernet:
    known = [str(settings.SECRET_KEY), *map(str, settings.SECRET_KEY_FALLBACKS)]
    return MultiFernet([Fernet(_derived(key)) for key in known])


def _derived(key: str) -> bytes:
    return base64.urlsafe_b64encode(hmac.new(key.encode(), PURPOSE, hashlib.sha256).digest())
