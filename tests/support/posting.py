"""Asking the API as its clients do, by GET, POST and DELETE, each answer held against the OpenAPI schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from tests.support.contract import Answer, hold_against_schema


@dataclass(frozen=True, slots=True)
class Posted(Answer):
    """An answer with its headers (names in lower case) and its bytes."""

    headers: Mapping[str, str]
    content: bytes


def post(
    address: str,
    body: Any = None,
    *,
    key: str = "",
    user: User | None = None,
    idempotency_key: str = "",
) -> Posted:
    """POST `body` (bytes as they are, anything else as JSON); fails when the answer is undocumented."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    return _sent("POST", address, raw=raw, key=key, user=user, headers=headers)


def look(address: str, *, key: str = "", user: User | None = None) -> Posted:
    """GET `address`, with the answer's headers."""
    return _sent("GET", address, raw=b"", key=key, user=user, headers={})


def delete(address: str, *, key: str = "", user: User | None = None) -> Posted:
    """DELETE `address`; the body of an answer without any is None."""
    return _sent("DELETE", address, raw=b"", key=key, user=user, headers={})


def _sent(
    method: str, address: str, *, raw: bytes, key: str, user: User | None, headers: Mapping[str, str]
) -> Posted:
    client = Client(headers={**headers, **({"Authorization": f"Bearer {key}"} if key else {})})
    if user is not None:
        client.force_login(user)
    response = client.generic(method, address, raw, content_type="application/json")
    answer = Posted(
        response.status_code,
        response.json() if response.content else None,
        {name.lower(): value for name, value in response.items()},
        response.content,
    )
    hold_against_schema(
        method, address, answer.status, answer.content, content_type=answer.headers.get("content-type", "")
    )
    return answer
