"""JSON Web Tokens of an external identity provider, verified with the keys it publishes (JWKS).

The provider's address, issuer, audience and the algorithms accepted are settings. Expiry is judged by the
library against the system clock.
"""

import functools
import time
from typing import Any

import jwt
from django.conf import settings
from jwt.exceptions import PyJWKClientConnectionError, PyJWTError

from usage.core.errors import BillingError, NotAuthenticated

FETCH_TIMEOUT_S = 3
KEY_SET_LIFETIME_S = 600
RETRY_AFTER_S = 10
CLOCK_LEEWAY_S = 10
REQUIRED_CLAIMS = ("exp", "iss", "aud", "sub")


class IdentityProviderUnavailable(BillingError):
    """The provider's keys cannot be fetched, so no token can be judged: neither accepted nor refused."""

    code = "identity_provider_unavailable"
    status = 503


class KeySet(jwt.PyJWKClient):
    """The provider's keys, cached by the library; after a failed fetch it is left alone for a while.

    Without the pause every request with a token would wait for the timeout, one after the other, and an
    outage of the provider would become ours.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=FETCH_TIMEOUT_S, lifespan=KEY_SET_LIFETIME_S)
        self._closed_until = 0.0

    def fetch_data(self) -> Any:
        """The key set; raises PyJWKClientConnectionError whatever is wrong with the provider's answer."""
        if time.monotonic() < self._closed_until:
            raise PyJWKClientConnectionError("The key set could not be fetched a moment ago.")
        try:
            return super().fetch_data()
        # OSError: the connection broke half-way. ValueError: the answer is not JSON.
        except (PyJWTError, OSError, ValueError) as failure:
            self._closed_until = time.monotonic() + RETRY_AFTER_S
            raise PyJWKClientConnectionError(f"The key set cannot be fetched: {failure}") from failure


@functools.lru_cache(maxsize=4)
def key_set(url: str) -> KeySet:
    """The one client per address, so that its cache serves every request of this process."""
    return KeySet(url)


def subject_of(token: str) -> str:
    """The `sub` of a valid token: the external id of an account.

    Raises NotAuthenticated for a token that is malformed, expired, from another issuer, for another
    audience, or signed otherwise than by one of the provider's keys; IdentityProviderUnavailable when its
    keys cannot be had.
    """
    if not settings.JWT_JWKS_URL:
        raise NotAuthenticated("Tokens are not accepted here: use an API key, or log in.")
    try:
        signing_key = key_set(settings.JWT_JWKS_URL).get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token,
            signing_key,
            algorithms=settings.JWT_ALGORITHMS,
            audience=settings.JWT_AUDIENCE,
            issuer=settings.JWT_ISSUER,
            leeway=CLOCK_LEEWAY_S,
            options={"require": list(REQUIRED_CLAIMS)},
        )
    except PyJWKClientConnectionError as unreachable:
        raise IdentityProviderUnavailable(
            "The identity provider does not answer, so the token cannot be checked. Try again shortly.",
            details={"retry_after": RETRY_AFTER_S},
        ) from unreachable
    except PyJWTError as refused:
        raise NotAuthenticated(
            "The token is not valid or has expired: fetch a new one from the identity provider."
        ) from refused
    return str(claims["sub"])
