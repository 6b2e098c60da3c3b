"""P2, P3 and the empty view with our key check: the same server and the same request, nothing done."""

from http import HTTPStatus

from benchmarks.authorizing.http_client import Address
from benchmarks.authorizing.load import Load
from benchmarks.authorizing.stage import Stage
from benchmarks.timing import Sample


def nobody(stage: Stage, load: Load) -> Sample:
    """P2: Django REST framework alone."""
    return stage.over_http(address(stage, "/bench/empty", credential=f"Bearer {stage.key}"), load)


def with_token(stage: Stage, load: Load) -> Sample:
    """P3: the framework with its own token authentication."""
    return stage.over_http(address(stage, "/bench/token", credential=f"Token {stage.token}"), load)


def with_our_key(stage: Stage, load: Load) -> Sample:
    """A plain view behind our key check."""
    return stage.over_http(address(stage, "/bench/key", credential=f"Bearer {stage.key}"), load)


def address(stage: Stage, path: str, *, credential: str) -> Address:
    return Address(port=stage.port, path=path, credential=credential, status=HTTPStatus.OK)
