"""The way in for clients that call `requests.post` and take no session of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from requests.adapters import BaseAdapter


@contextmanager
def mounted_everywhere(adapter: BaseAdapter) -> Iterator[None]:
    """Until the block ends, every session that `requests` makes by itself sends through `adapter`.

    `requests.post` and its like make a `requests.sessions.Session` for each call, so that replacing this one
    name reaches all of them, in every module.
    """

    class MountedSession(requests.Session):
        def __init__(self) -> None:
            super().__init__()
            self.mount("https://", adapter)
            self.mount("http://", adapter)

    usual = requests.sessions.Session
    requests.sessions.Session = MountedSession  # type: ignore[misc]
    try:
        yield
    finally:
        requests.sessions.Session = usual  # type: ignore[misc]
