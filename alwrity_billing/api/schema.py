"""What drf-spectacular cannot see in the views: the legacy envelope, the shape of errors, the plain views.

Drawn up in OpenAPI 3.0, which generators of clients read best.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import msgspec
from django.http import HttpRequest
from drf_spectacular.generators import SchemaGenerator

from alwrity_billing.api.envelopes import API_PREFIX, is_legacy
from usage.api.events import Report
from usage.events import UsageEvent
from usage.ingest import MAX_EVENTS

Schema = dict[str, Any]

COMPONENT = "#/components/schemas/{name}"
EVENTS_PATH = f"{API_PREFIX}usage/events"
# How `alwrity_billing.api.authentication` names the ways to send a key; only keys have the scope ingest.
KEY_SCHEMES = ("apiKey", "bearer")
NULL = {"type": "null"}

# Errors every endpoint may answer with; `default` covers the rest, such as a method it does not take.
ERRORS = {
    "400": "The request's form is wrong; the sentence names the parameter or field and what it takes.",
    "401": "No credential, or one that is not valid.",
    "403": "The credential does not reach this far.",
    "404": "There is no such account or address.",
    "default": "Any other error.",
}
EVENT_ERRORS = {**ERRORS, "413": "The body or the batch is over its bound."}

FAILURE: Schema = {
    "type": "object",
    "description": "An error under /api/subscription/.",
    "required": ["success", "error", "code", "detail"],
    "properties": {
        "success": {"type": "boolean", "enum": [False]},
        "error": {"type": "string", "description": "A sentence for people."},
        "code": {"type": "string", "description": "For programs; never changes.", "example": "access_denied"},
        "detail": {"type": "object", "additionalProperties": True},
    },
}
PROBLEM: Schema = {
    "type": "object",
    "description": "An error as RFC 9457 has it, with a machine `code` and members that depend on it.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people."},
        "code": {"type": "string", "description": "For programs; never changes.", "example": "access_denied"},
        "errors": {
            "type": "array",
            "description": "Each fault, with the `parameter` it is in or the JSON `pointer` to its field.",
            "items": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    },
    "additionalProperties": True,
}


def complete_schema(
    result: Schema, generator: SchemaGenerator, request: HttpRequest | None, public: bool
) -> Schema:
    """drf-spectacular's last hook: `result` with what the answers really look like on the wire."""
    endpoints: Any = generator.endpoints
    bare = {
        (path, method.lower())
        for path, _, method, callback in endpoints
        if getattr(callback.cls, "bare", False)
    }
    paths: Schema = {}
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            if is_legacy(path) and (path, method) not in bare:
                _envelop(operation["responses"])
            operation["responses"] |= _errors(ERRORS, legacy=is_legacy(path))
        # The slash at the end is optional there; the schema shows the form without it.
        paths[path.rstrip("/") if is_legacy(path) else path] = operations
    paths[EVENTS_PATH] = {"post": _post_events()}
    result["paths"] = dict(sorted(paths.items()))
    schemas = result["components"].setdefault("schemas", {})
    schemas |= {"Failure": FAILURE, "Problem": PROBLEM, **_event_schemas()}
    return result


def _envelop(responses: Schema) -> None:
    """Put what each success answers with into `{"success": true, "data": …}`."""
    for status, response in responses.items():
        if status.startswith("2"):
            for content in response.get("content", {}).values():
                content["schema"] = {
                    "type": "object",
                    "required": ["success", "data"],
                    "properties": {"success": {"type": "boolean", "enum": [True]}, "data": content["schema"]},
                }


def _errors(errors: Mapping[str, str], *, legacy: bool) -> Schema:
    media_type, name = ("application/json", "Failure") if legacy else ("application/problem+json", "Problem")
    content = {media_type: {"schema": {"$ref": COMPONENT.format(name=name)}}}
    return {status: {"description": sentence, "content": content} for status, sentence in errors.items()}


def _post_events() -> Schema:
    """The operation of the one plain Django view, which decodes with msgspec and knows no serializers."""
    one: Schema = {"$ref": COMPONENT.format(name=UsageEvent.__name__)}
    batch: Schema = {"type": "array", "minItems": 1, "maxItems": MAX_EVENTS, "items": one}
    success = {"application/json": {"schema": {"$ref": COMPONENT.format(name=Report.__name__)}}}
    return {
        "operationId": "record_events",
        "tags": ["Metering"],
        "description": (
            "Record usage events, each exactly once: one CloudEvent, a batch, or plain JSON of the same "
            "fields. One bad event never loses the good ones. The body may be sent with "
            "Content-Encoding: gzip. Needs the scope ingest."
        ),
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": {"schema": one},
                "application/cloudevents-batch+json": {"schema": batch},
                "application/json": {"schema": {"oneOf": [one, batch]}},
            },
        },
        "security": [{name: []} for name in KEY_SCHEMES],
        "responses": {
            "200": {"description": "One outcome per event.", "content": success},
            **_errors(EVENT_ERRORS, legacy=False),
        },
    }


def _event_schemas() -> Schema:
    """An event and the report on a batch, drawn from the very structs that decode and encode them."""
    _, components = msgspec.json.schema_components([UsageEvent, Report], ref_template=COMPONENT)
    return {name: _in_openapi(component) for name, component in components.items()}


def _in_openapi(schema: Any) -> Any:
    """A JSON Schema as OpenAPI 3.0 writes it: `nullable` instead of the null type, no empty `required`."""
    match schema:
        case {"anyOf": [*choices], **rest} if NULL in choices:
            rest.pop("default", None)
            others = [_in_openapi(choice) for choice in choices if choice != NULL]
            only = others[0] if len(others) == 1 and "$ref" not in others[0] else {"anyOf": others}
            return {**rest, **only, "nullable": True}
        case {"required": [], **rest}:
            return _in_openapi(rest)
        case {"description": str(docstring), **rest}:
            return {"description": inspect.cleandoc(docstring), **_in_openapi(rest)}
        case dict():
            return {name: _in_openapi(member) for name, member in schema.items()}
        case list():
            return [_in_openapi(member) for member in schema]
    return schema
