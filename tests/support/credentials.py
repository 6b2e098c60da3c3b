"""Credentials to come in with: keys, and an identity provider on a local port."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support.cast import NOW, TESTS
from usage import keys
from usage.models import Account, Scope

ISSUER = "https://id.example.com/"
AUDIENCE = "billing"


def a_key(
    account: Account | None = None,
    *,
    scopes: tuple[Scope, ...] = (Scope.READ,),
    name: str = "prod",
    expires_at: datetime | None = None,
) -> keys.IssuedKey:
    """A key issued at NOW; without an account a service key."""
    return keys.issue(name=name, account=account, scopes=scopes, expires_at=expires_at, at=NOW, by=TESTS)


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def other_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def published_keys() -> bytes:
    """The JWKS document: an RS256 key called `rsa` and an ES256 key called `ec`."""
    rsa_public = RSAAlgorithm.to_jwk(rsa_key().public_key(), as_dict=True)
    ec_public = ECAlgorithm.to_jwk(ec_key().public_key(), as_dict=True)
    return json.dumps(
        {
            "keys": [
                {**rsa_public, "kid": "rsa", "use": "sig", "alg": "RS256"},
                {**ec_public, "kid": "ec", "use": "sig", "alg": "ES256"},
            ]
        }
    ).encode()


def some_claims(subject: str = "acme", **changes: Any) -> dict[str, Any]:
    """Claims that are good for five minutes; a change to None leaves the claim out."""
    expiry = datetime.now(UTC) + timedelta(minutes=5)
    claims = {"sub": subject, "iss": ISSUER, "aud": AUDIENCE, "exp": expiry, **changes}
    return {name: value for name, value in claims.items() if value is not None}


def a_token(
    claims: dict[str, Any] | None = None,
    *,
    key: PrivateKeyTypes | None = None,
    algorithm: str = "RS256",
    kid: str = "rsa",
) -> str:
    """A token as the provider signs it, unless told otherwise."""
    signing_key: Any = None if algorithm == "none" else key or rsa_key()
    return jwt.encode(claims or some_claims(), signing_key, algorithm=algorithm, headers={"kid": kid})


def base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


@dataclass
class IdentityProvider:
    """What the local server answers with, and how often it was asked."""

    document: bytes
    status: int = 200
    asked: int = 0
    url: str = field(default="")


@contextmanager
def an_identity_provider(document: bytes | None = None, *, status: int = 200) -> Iterator[IdentityProvider]:
    """A real HTTP server on a free port that publishes a JWKS document."""
    provider = IdentityProvider(document=published_keys() if document is None else document, status=status)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked += 1
            self.send_response(provider.status)
            self.send_header("Content-Length", str(len(provider.document)))
            self.end_headers()
            self.wfile.write(provider.document)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}/jwks.json"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
