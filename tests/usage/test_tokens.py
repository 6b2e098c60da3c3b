"""Tokens of an identity provider that really listens on a port."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pytest_django import Settings

from tests.support.credentials import (
    AUDIENCE,
    ISSUER,
    IdentityProvider,
    a_token,
    an_identity_provider,
    base64url,
    ec_key,
    other_rsa_key,
    rsa_key,
    some_claims,
)
from usage import tokens
from usage.core.errors import NotAuthenticated


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with an_identity_provider() as running:
        yield running


@pytest.fixture(autouse=True)
def configured(settings: Settings, provider: IdentityProvider) -> None:
    settings.JWT_JWKS_URL = provider.url
    settings.JWT_ISSUER = ISSUER
    settings.JWT_AUDIENCE = AUDIENCE


def test_an_rs256_token_names_its_subject() -> None:
    assert tokens.subject_of(a_token(some_claims("acme"))) == "acme"


def test_an_es256_token_names_its_subject() -> None:
    token = a_token(some_claims("acme"), key=ec_key(), algorithm="ES256", kid="ec")
    assert tokens.subject_of(token) == "acme"


def test_the_keys_are_fetched_once_for_many_tokens(provider: IdentityProvider) -> None:
    tokens.subject_of(a_token())
    asked = provider.asked
    tokens.subject_of(a_token())
    assert provider.asked == asked


def expired() -> str:
    return a_token(some_claims(exp=datetime.now(UTC) - timedelta(minutes=1)))


def signed_with_the_public_key_as_hmac_secret() -> str:
    """HS256 whose secret is the RSA public key's PEM: what a careless verifier would compute as well."""
    secret = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = json.dumps({"alg": "HS256", "typ": "JWT", "kid": "rsa"}).encode()
    expiry = int((datetime.now(UTC) + timedelta(minutes=5)).timestamp())
    claims = json.dumps({"sub": "acme", "iss": ISSUER, "aud": AUDIENCE, "exp": expiry}).encode()
    signed = base64url(header) + b"." + base64url(claims)
    signature = hmac.new(secret, signed, hashlib.sha256).digest()
    return (signed + b"." + base64url(signature)).decode()


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(expired, id="expired"),
        pytest.param(lambda: a_token(some_claims(exp=None)), id="without expiry"),
        pytest.param(lambda: a_token(some_claims(sub=None)), id="without subject"),
        pytest.param(lambda: a_token(some_claims(iss="https://evil.example/")), id="other issuer"),
        pytest.param(lambda: a_token(some_claims(iss=None)), id="without issuer"),
        pytest.param(lambda: a_token(some_claims(aud="mail")), id="other audience"),
        pytest.param(lambda: a_token(some_claims(aud=None)), id="without audience"),
        pytest.param(lambda: a_token(kid="never published"), id="unknown kid"),
        pytest.param(lambda: a_token(key=other_rsa_key()), id="other key under a known kid"),
        pytest.param(lambda: a_token(algorithm="none"), id="alg none"),
        pytest.param(lambda: a_token(algorithm="RS512"), id="algorithm not allowed"),
        pytest.param(lambda: a_token(kid="ec"), id="algorithm of another key"),
        pytest.param(signed_with_the_public_key_as_hmac_secret, id="public key as secret"),
        pytest.param(lambda: a_token()[:-6] + "AAAAAA", id="signature changed"),
        pytest.param(lambda: "not.a.token", id="garbage"),
        pytest.param(lambda: "..", id="empty parts"),
    ],
)
def test_a_token_that_is_not_the_providers_is_refused(forged: Callable[[], str]) -> None:
    with pytest.raises(NotAuthenticated, match="fetch a new one"):
        tokens.subject_of(forged())


def test_without_a_configured_provider_every_token_is_refused(settings: Settings) -> None:
    settings.JWT_JWKS_URL = ""
    with pytest.raises(NotAuthenticated, match="use an API key"):
        tokens.subject_of(a_token())


def test_a_provider_that_is_down_is_an_outage_and_no_judgement(settings: Settings) -> None:
    with an_identity_provider() as stopped:
        settings.JWT_JWKS_URL = stopped.url
    with pytest.raises(tokens.IdentityProviderUnavailable) as outage:
        tokens.subject_of(a_token())
    assert outage.value.status == 503
    assert outage.value.details == {"retry_after": 10}


@pytest.mark.parametrize(
    ("document", "status"),
    [(b"<html>Welcome</html>", 200), (b"[]", 200), (b'{"keys": []}', 200), (b"", 500)],
)
def test_a_provider_that_answers_nonsense_is_an_outage(
    document: bytes, status: int, settings: Settings
) -> None:
    with an_identity_provider(document, status=status) as confused:
        settings.JWT_JWKS_URL = confused.url
        with pytest.raises(tokens.IdentityProviderUnavailable):
            tokens.subject_of(a_token())


def test_a_provider_that_failed_is_left_alone_for_a_while(settings: Settings) -> None:
    with an_identity_provider(b"", status=500) as failing:
        settings.JWT_JWKS_URL = failing.url
        for _ in range(3):
            with pytest.raises(tokens.IdentityProviderUnavailable):
                tokens.subject_of(a_token())
        assert failing.asked == 1
