"""Asking the API as its clients do, with every answer held against the published OpenAPI schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

import requests
from django.contrib.auth.models import User
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from schemathesis.core.transport import Response
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.schemas import OpenApiSchema

from alwrity_billing.wsgi import application


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is the decoded JSON; `error` is the sentence for people, from either shape of errors."""

    status: int
    body: Any

    @property
    def data(self) -> Any:
        """What the legacy envelope of a success holds."""
        assert self.body["success"] is True
        return self.body["data"]

    @property
    def error(self) -> str:
        sentence: str = self.body["error" if "success" in self.body else "detail"]
        return sentence


@cache
def published_schema() -> OpenApiSchema:
    """The schema as it is served at /api/schema, with the application it describes."""
    generator: Any = SchemaGenerator
    schema = from_dict(generator().get_schema(public=True))
    schema.app = application
    return schema


def ask(
    address: str, *, user: User | None = None, key: str = "", query: Mapping[str, str] | None = None
) -> Answer:
    """GET `address` as `user`, with an API `key`, or as nobody; fails when the answer is undocumented."""
    client = Client(headers={"X-API-Key": key} if key else {})
    if user is not None:
        client.force_login(user)
    response = client.get(address, query or {})
    content_type = response.headers["Content-Type"]
    hold_against_schema("GET", address, response.status_code, response.content, content_type=content_type)
    return Answer(response.status_code, response.json())


def hold_against_schema(
    method: str, address: str, status: int, content: bytes, *, content_type: str = "application/json"
) -> None:
    """Fail when the schema does not announce that `address` answers so."""
    path = address.partition("?")[0].rstrip("/")
    operation = published_schema().find_operation_by_path(method, path)
    assert operation is not None, f"{method} {address} is not in the schema"
    documented = published_schema().raw_schema["paths"][operation.path][method.lower()]["responses"]
    if not content:
        assert "content" not in documented[str(status)]
        return
    assert content_type in documented.get(str(status), documented["default"])["content"]
    operation.validate_response(
        Response(
            status_code=status,
            headers={"content-type": [content_type]},
            content=content,
            request=requests.Request(method, f"http://testserver{address}").prepare(),
            elapsed=0,
            verify=True,
            message=HTTPStatus(status).phrase,
        )
    )
