"""What drf-spectacular cannot see in the views: the legacy envelope, the shape of errors, the plain views,
and an answer of each to look at (`examples/`, one file an operation).

Drawn up in OpenAPI 3.0, which generators of clients read best.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.http import HttpRequest
from drf_spectacular.generators import SchemaGenerator

from alwrity_billing.api import metering_schema
from alwrity_billing.api.envelopes import is_legacy

Schema = dict[str, Any]

COMPONENT = "#/components/schemas/{name}"
# <operation id>.json: what a success was answered with, envelope and all.
EXAMPLES = Path(__file__).parent / "examples"

# Errors every endpoint may answer with; `default` covers the rest, such as a method it does not take.
ERRORS = {
    "400": "The request's form is wrong; the sentence names the parameter or field and what it takes.",
    "401": "No credential, or one that is not valid.",
    "403": "The credential does not reach this far.",
    "404": "There is no such account or address.",
    "default": "Any other error.",
}

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
        "pointer": {"type": "string", "description": "JSON pointer to the field of the body that is wrong."},
        "hint": {"type": "string", "description": "What a person can do about it."},
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
    for path, operations in metering_schema.paths().items():
        for operation in operations.values():
            told = operation["responses"]
            operation["responses"] = {**_errors(ERRORS, legacy=False), **told}
        paths[path] = operations
    result["paths"] = dict(sorted(paths.items()))
    for operations in paths.values():
        for operation in operations.values():
            _show_example(operation)
    schemas = result["components"].setdefault("schemas", {})
    schemas |= {"Failure": FAILURE, "Problem": PROBLEM, **metering_schema.components()}
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


def _show_example(operation: Schema) -> None:
    """Put the operation's example, if there is one, with each of its successes."""
    file = EXAMPLES / f"{operation['operationId']}.json"
    if not file.exists():
        return
    example = json.loads(file.read_text(encoding="utf-8"))
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            for content in response["content"].values():
                content["example"] = example


def _errors(errors: Mapping[str, str], *, legacy: bool) -> Schema:
    media_type, name = ("application/json", "Failure") if legacy else ("application/problem+json", "Problem")
    content = {media_type: {"schema": {"$ref": COMPONENT.format(name=name)}}}
    return {status: {"description": sentence, "content": content} for status, sentence in errors.items()}
