"""The plain Django views in the OpenAPI schema, drawn from the structs they decode and encode."""

import inspect
from collections.abc import Mapping
from typing import Any

import msgspec

from alwrity_billing.api.envelopes import API_PREFIX
from usage.api.authorizations import AuthorizationStanding, ExtensionRequest
from usage.api.events import Report
from usage.events import UsageEvent
from usage.ingest import MAX_EVENTS
from usage.operations import AuthorizationRequest, Authorized, Decision
from usage.settlement import Settled, SettlementRequest

Schema = dict[str, Any]

COMPONENT = "#/components/schemas/{name}"
STRUCTS = (
    UsageEvent,
    Report,
    AuthorizationRequest,
    Authorized,
    Decision,
    SettlementRequest,
    Settled,
    ExtensionRequest,
    AuthorizationStanding,
)
# How `alwrity_billing.api.authentication` names the ways to send a key; only keys have the scope ingest.
KEY_SCHEMES = ("apiKey", "bearer")
NULL = {"type": "null"}

TOO_LARGE = {"413": "The body or the batch is over its bound."}
CLOSED = {"409": "The authorization is closed; `state` says how."}
UNRATED = {
    "422": "The call cannot be priced (`price_unknown`, `provider_unknown`, `quantities_missing`), or the "
    "same key came with another request before (`idempotency_key_reused`)."
}
UNRECORDED = {
    "422": "The call cannot be recorded as it was reported (`code` and `pointer` say why), or was settled "
    "with other content before (`event_conflict`)."
}
REFUSED = {
    "402": "Refused, and only a person can help: `hint` says how.",
    "429": "Refused for now: ask again after `retry_after` seconds.",
}
OUTAGE = {"503": "Nobody can say just now whether the call may go ahead: try again shortly."}

REFUSAL: Schema = {
    "description": "An error with the decision that refuses.",
    "allOf": [
        {"$ref": COMPONENT.format(name="Problem")},
        {
            "type": "object",
            "required": ["decision"],
            "properties": {
                "decision": {"$ref": COMPONENT.format(name=Decision.__name__)},
                "retry_after": {"type": "integer", "minimum": 1, "description": "Seconds, as Retry-After."},
            },
        },
    ],
}
IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 128},
    "description": "The same request under the same key is granted once, and answered like the first time.",
}
CALL_KEY: Schema = {
    **IDEMPOTENCY_KEY,
    "schema": {"type": "string", "maxLength": 64},
    "description": "The call's id in a workflow, where the body has none.",
}
AUTHORIZATION_ID: Schema = {
    "name": "authorization_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
}


def paths() -> Schema:
    """Every plain view's address, with what it does besides answering with the errors all share."""
    one = f"{API_PREFIX}usage/authorizations/{{authorization_id}}"
    return {
        f"{API_PREFIX}usage/events": {"post": _post_events()},
        f"{API_PREFIX}usage/authorizations": {"post": _authorize()},
        one: {"get": _look()},
        f"{one}/settle": {"post": _settle()},
        f"{one}/extend": {"post": _extend()},
        f"{one}/release": {"post": _release()},
    }


def components() -> Schema:
    """The structs' own schemas, so that what is shown is what is decoded and encoded."""
    _, drawn = msgspec.json.schema_components(STRUCTS, ref_template=COMPONENT)
    return {"Refusal": REFUSAL, **{name: _in_openapi(component) for name, component in drawn.items()}}


def _post_events() -> Schema:
    one, batch = _ref(UsageEvent), {"type": "array", "minItems": 1, "maxItems": MAX_EVENTS}
    batch["items"] = one
    return _operation(
        "record_events",
        "Record usage events, each exactly once: one CloudEvent, a batch, or plain JSON of the same "
        "fields. One bad event never loses the good ones. The body may be sent with "
        "Content-Encoding: gzip. Needs the scope ingest.",
        body={
            "application/cloudevents+json": {"schema": one},
            "application/cloudevents-batch+json": {"schema": batch},
            "application/json": {"schema": {"oneOf": [one, batch]}},
        },
        responses={"200": _success("One outcome per event.", Report), **_problems(TOO_LARGE)},
    )


def _authorize() -> Schema:
    return _operation(
        "authorize",
        "Hold the worst case of some operations together, before they are carried out. Settle each call with "
        "what it consumed; what is not settled returns with the deadline, or on release. RateLimit fields "
        "tell the limits that were consulted. Needs the scope ingest.",
        parameters=[IDEMPOTENCY_KEY],
        body=_json(AuthorizationRequest),
        responses={
            "201": _success("Permission: name its id when you settle.", Authorized),
            **_problems(REFUSED, name="Refusal"),
            **_problems({**TOO_LARGE, **UNRATED, **OUTAGE}),
        },
    )


def _look() -> Schema:
    shown = _operation(
        "authorization",
        "An authorization as it stands. Needs the scope ingest or read.",
        parameters=[AUTHORIZATION_ID],
        responses={"200": _success("As it stands.", AuthorizationStanding)},
    )
    return {**shown, "security": [*shown["security"], {"session": []}]}


def _settle() -> Schema:
    return _operation(
        "settle_authorization",
        "Record what an authorized call consumed, exactly once, and give the rest of its hold back. A second "
        "settle is answered as the first was, with the header Idempotent-Replayed. Usage after the deadline "
        "is recorded all the same. Needs the scope ingest.",
        parameters=[AUTHORIZATION_ID, CALL_KEY],
        body=_json(SettlementRequest),
        responses={
            "200": _success("Recorded.", Settled),
            **_problems({**TOO_LARGE, **UNRECORDED}),
        },
    )


def _extend() -> Schema:
    return _operation(
        "extend_authorization",
        "Move the deadline of an open authorization. Needs the scope ingest.",
        parameters=[AUTHORIZATION_ID],
        body=_json(ExtensionRequest),
        responses={
            "200": _success("As it stands now.", AuthorizationStanding),
            **_problems({**CLOSED, **TOO_LARGE}),
        },
    )


def _release() -> Schema:
    return _operation(
        "release_authorization",
        "Give back what an authorization still holds, because its calls will not be made. Takes no body. "
        "Needs the scope ingest.",
        parameters=[AUTHORIZATION_ID],
        responses={"200": _success("As it stands now.", AuthorizationStanding), **_problems(CLOSED)},
    )


def _operation(
    name: str,
    description: str,
    *,
    responses: Schema,
    body: Schema | None = None,
    parameters: list[Schema] | None = None,
) -> Schema:
    return {
        "operationId": name,
        "tags": ["Metering"],
        "description": description,
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": {"required": True, "content": body}} if body else {}),
        "security": [{scheme: []} for scheme in KEY_SCHEMES],
        "responses": responses,
    }


def _ref(struct: type[msgspec.Struct]) -> Schema:
    return {"$ref": COMPONENT.format(name=struct.__name__)}


def _json(struct: type[msgspec.Struct]) -> Schema:
    return {"application/json": {"schema": _ref(struct)}}


def _success(description: str, struct: type[msgspec.Struct]) -> Schema:
    return {"description": description, "content": _json(struct)}


def _problems(errors: Mapping[str, str], *, name: str = "Problem") -> Schema:
    content = {"application/problem+json": {"schema": {"$ref": COMPONENT.format(name=name)}}}
    return {status: {"description": sentence, "content": content} for status, sentence in errors.items()}


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
