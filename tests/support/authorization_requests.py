"""Asking for permission over HTTP, as plain JSON."""

from typing import Any

from tests.support.posting import Posted, post

URL = "/api/usage/authorizations"


def an_operation(**changes: Any) -> dict[str, Any]:
    """A call that may cost 0.0035 USD: 1000 × 2.50 + 100 × 10 USD a million."""
    usual = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "max_output_tokens": 100}
    return {**usual, **changes}


def a_request(*operations: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"operations": list(operations) or [an_operation()], **fields}


def granted(key: str, *operations: dict[str, Any]) -> Posted:
    answer = post(URL, a_request(*operations), key=key)
    assert answer.status == 201, answer.body
    return answer
