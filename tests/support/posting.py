"""Asking the API as its clients do, by GET, POST and DELETE, each answer held against the OpenAPI schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests
from django.contrib.auth.models import User
from django.test import Client
from schemathesis.core.transport import Response

from tests.support.contract import Answer, published_schema


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
    _hold_against_schema(method, address, answer)
    return answer


def _hold_against_schema(method: str, address: str, answer: Posted) -> None:
    path = address.partition("?")[0].rstrip("/")
    operation = published_schema().find_operation_by_path(method, path)
    assert operation is not None, f"{method} {address} is not in the schema"
    documented = published_schema().raw_schema["paths"][operation.path][method.lower()]["responses"]
    if not answer.content:
        assert "content" not in documented[str(answer.status)]
        return
    content_type = answer.headers["content-type"]
    assert content_type in documented.get(str(answer.status), documented["default"])["content"]
    operation.validate_response(
        Response(
            status_code=answer.status,
            headers={"content-type": [content_type]},
            content=answer.content,
            request=requests.Request(method, f"http://testserver{address}").prepare(),
            elapsed=0,
            verify=True,
            message=HTTPStatus(answer.status).phrase,
        )
    )
