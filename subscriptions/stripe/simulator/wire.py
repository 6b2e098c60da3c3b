"""Stripe's wire format: forms with nested brackets come in, JSON and its errors go out."""

import re
import secrets
import string
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from subscriptions.stripe.simulator.store import Json

API_VERSION = "2026-10-28.endive"
ID_CHARACTERS = string.ascii_letters + string.digits
ID_LENGTH = 24
MAX_DEPTH = 12


class ApiError(Exception):
    """An answer that is no success. What was changed before it stays only if `keeps_effects`."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        keeps_effects: bool = False,
        details: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self.keeps_effects = keeps_effects
        self.details = details or {}

    def body(self, *, request_id: str) -> Json:
        error: Json = {"message": self.message, "type": self.kind, **self.details}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        if self.param:
            error["param"] = self.param
        return {"error": {**error, "request_log_url": f"/requests/{request_id}"}}


def no_such(what: str, object_id: str, *, param: str = "id") -> ApiError:
    message = f"No such {what}: '{object_id}'"
    return ApiError(message, status=404, code="resource_missing", param=param)


def check_url(url: str | None, *, param: str) -> None:
    """Raises ApiError unless people can be sent there; no address is fine."""
    if url is None:
        return
    address = urlsplit(url)
    is_web = address.scheme in ("http", "https") and bool(address.hostname)
    if not is_web or not url.isprintable() or " " in url:
        raise ApiError("Not a valid URL", code="url_invalid", param=param)


def new_id(prefix: str) -> str:
    return f"{prefix}_{new_token(ID_LENGTH)}"


def new_token(length: int) -> str:
    return "".join(secrets.choice(ID_CHARACTERS) for _ in range(length))


def decode_form(text: str) -> Json:
    """`a[b][0][c]=v` as nested dicts of strings; lists stay dicts with the indexes as keys."""
    tree: Json = {}
    for key, value in parse_qsl(text, keep_blank_values=True, strict_parsing=False):
        steps = _steps(key)
        place = tree
        for step in steps[:-1]:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise ApiError(f"Invalid form key: {key}", param=key)
        last = steps[-1] or str(len(place))
        place[last] = value
    return tree


def _steps(key: str) -> list[str]:
    name = key.partition("[")[0]
    steps = [name, *re.findall(r"\[([^\]]*)\]", key)]
    if not name or len(steps) > MAX_DEPTH:
        raise ApiError(f"Invalid form key: {key}", param=key)
    return steps


def listed(data: list[Json], *, url: str, has_more: bool = False, **more: Any) -> Json:
    return {"object": "list", "data": data, "has_more": has_more, "url": url, **more}
