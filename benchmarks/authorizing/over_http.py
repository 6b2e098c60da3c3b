"""Ours, over HTTP: POST /api/usage/authorizations with a service key, on keep-alive connections."""

from http import HTTPStatus

from benchmarks.authorizing.http_client import Address
from benchmarks.authorizing.load import Load
from benchmarks.authorizing.stage import Stage
from benchmarks.timing import Sample

PATH = "/api/usage/authorizations"


def measure(stage: Stage, load: Load) -> Sample:
    """Key check, authorization and the decision as JSON; anything but a 201 raises."""
    address = Address(port=stage.port, path=PATH, credential=f"Bearer {stage.key}", status=HTTPStatus.CREATED)
    sample = stage.over_http(address, load)
    stage.confirm_holds("authorize over HTTP", load)
    return sample
