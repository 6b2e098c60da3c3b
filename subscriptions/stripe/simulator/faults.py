"""Faults to rehearse: the API fails as asked, for as many calls as asked."""

import re
import threading
from dataclasses import asdict, dataclass

from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import new_id

BEFORE = ("error_500", "rate_limited_429", "timeout_before", "connection_reset")
AFTER = ("timeout_after_commit",)
KINDS = (*BEFORE, *AFTER)


@dataclass(kw_only=True)
class Fault:
    """Lets `skip` matching calls pass, then strikes `times`. `path` is a pattern of the whole path.

    A timeout closes the connection without an answer after `hold_s` seconds.
    """

    id: str
    method: str
    path: str
    kind: str
    times: int
    skip: int
    hold_s: float


class Faults:
    """The faults that are to strike, in the order they were added. They do not outlive the process."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self, *, method: str, path: str, kind: str, times: int = 1, skip: int = 0, hold_s: float = 0
    ) -> str:
        """Raises ValueError for an unknown kind, a bad regular expression or a count below its least."""
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if times < 1 or skip < 0 or hold_s < 0:
            raise ValueError("times must be at least 1, skip and hold_s at least 0")
        try:
            re.compile(path)
        except re.error as wrong:
            raise ValueError(f"path is no regular expression: {wrong}") from wrong
        fault = Fault(
            id=new_id("fault"),
            method=method.upper(),
            path=path,
            kind=kind,
            times=times,
            skip=skip,
            hold_s=hold_s,
        )
        with self._lock:
            self._faults.append(fault)
        return fault.id

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def pending(self) -> list[Json]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def strike(self, method: str, *, path: str) -> Fault | None:
        """The fault that this call meets, counted; None for none."""
        with self._lock:
            for fault in self._faults:
                if fault.method != method or not re.fullmatch(fault.path, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
                return fault
        return None
