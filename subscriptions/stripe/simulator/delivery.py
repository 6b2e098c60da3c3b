"""Webhooks: every event reaches every endpoint that wants it, again and again until it is accepted."""

import hashlib
import hmac
import http.client
import json
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from subscriptions.stripe.simulator.presenting import shown
from subscriptions.stripe.simulator.store import Json, Store

logger = logging.getLogger(__name__)

PAUSE_S = 1.0
TIMEOUT_S = 10
LONGEST_RETRY_S = 60.0
MOST_DOUBLINGS = 10
BATCH = 5_000
WAITING = "SELECT seq, event, endpoint, attempts FROM deliveries WHERE is_delivered = 0 ORDER BY seq LIMIT ?"


@dataclass(kw_only=True)
class Switches:
    """How deliveries misbehave. `shuffle_seed` reorders what waits; `hold` keeps everything until a flush."""

    duplicate: bool = False
    shuffle_seed: int | None = None
    delay_s: float = 0
    hold: bool = False


@dataclass(frozen=True)
class Delivery:
    seq: int
    event: str
    endpoint: str
    attempts: int


class Webhooks:
    """The thread that delivers. What waits is in the store; when to try again is known to this process only,
    by the monotonic clock, so that a moved or standing wall clock does not stop deliveries."""

    def __init__(self, store: Store, *, retry_delay_s: float, sweep: Callable[[], None]) -> None:
        self.switches = Switches()
        self._store = store
        self._retry_delay_s = retry_delay_s
        self._sweep = sweep
        self._not_before: dict[int, float] = {}
        self._wake = threading.Event()
        self._is_stopping = False
        self._delivering = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="stripe-simulator-webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()
        self._thread.join()

    def wake(self) -> None:
        self._wake.set()

    def set(
        self,
        *,
        duplicate: bool = False,
        shuffle_seed: int | None = None,
        delay_s: float = 0,
        hold: bool = False,
    ) -> None:
        """All switches at once; what is not named is off."""
        self.switches = Switches(duplicate=duplicate, shuffle_seed=shuffle_seed, delay_s=delay_s, hold=hold)
        self.wake()

    def flush(self) -> int:
        """Try everything that waits now, held, delayed or not; how many deliveries were accepted."""
        return self._deliver_waiting(is_forced=True)

    def state(self) -> Json:
        return {**asdict(self.switches), "waiting": self.waiting()}

    def waiting(self) -> int:
        with self._store.transaction():
            row = self._store.execute("SELECT COUNT(*) FROM deliveries WHERE is_delivered = 0").fetchone()
        return int(row[0])

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self._sweep()
                self._deliver_waiting(is_forced=False)
            except Exception:
                logger.exception("webhooks could not be delivered")
            self._wake.wait(timeout=self._pause_s())
            self._wake.clear()

    def _pause_s(self) -> float:
        if self.switches.hold:
            return PAUSE_S
        soonest = min(self._not_before.values(), default=time.monotonic() + PAUSE_S)
        return min(max(soonest - time.monotonic(), 0.01), PAUSE_S)

    def _deliver_waiting(self, *, is_forced: bool) -> int:
        with self._delivering:
            if self.switches.hold and not is_forced:
                return 0
            accepted = 0
            for delivery in self._waiting_rows():
                if self._is_stopping:
                    break
                if is_forced or self._is_due(delivery):
                    accepted += self._deliver(delivery)
            return accepted

    def _waiting_rows(self) -> list[Delivery]:
        with self._store.transaction():
            rows = [Delivery(*row) for row in self._store.execute(WAITING, (BATCH,))]
        if self.switches.shuffle_seed is not None:
            random.Random(self.switches.shuffle_seed).shuffle(rows)  # noqa: S311 - the same order each time
        return rows

    def _is_due(self, delivery: Delivery) -> bool:
        due_at = self._not_before.setdefault(delivery.seq, time.monotonic() + self.switches.delay_s)
        return due_at <= time.monotonic()

    def _deliver(self, delivery: Delivery) -> bool:
        with self._store.transaction():
            event = self._store.find(delivery.event)
            endpoint = self._store.find(delivery.endpoint)
        if event is None or endpoint is None:
            self._settle(delivery)
            return False
        is_accepted = _post(endpoint, event)
        if self.switches.duplicate:
            is_accepted = _post(endpoint, event) or is_accepted
        if is_accepted:
            self._settle(delivery)
        else:
            self._retry_later(delivery)
        return is_accepted

    def _settle(self, delivery: Delivery) -> None:
        with self._store.transaction():
            self._store.execute("UPDATE deliveries SET is_delivered = 1 WHERE seq = ?", (delivery.seq,))
            event = self._store.find(delivery.event)
            if event:
                self._store.save({**event, "pending_webhooks": max(event["pending_webhooks"] - 1, 0)})
        self._not_before.pop(delivery.seq, None)

    def _retry_later(self, delivery: Delivery) -> None:
        with self._store.transaction():
            self._store.execute(
                "UPDATE deliveries SET attempts = attempts + 1 WHERE seq = ?", (delivery.seq,)
            )
        pause_s = self._retry_delay_s * 2 ** min(delivery.attempts, MOST_DOUBLINGS)
        self._not_before[delivery.seq] = time.monotonic() + min(pause_s, LONGEST_RETRY_S)


def signature(payload: str, *, secret: str, at: int) -> str:
    """The Stripe-Signature header of a payload."""
    signed = hmac.new(secret.encode(), f"{at}.{payload}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


def _post(endpoint: Json, event: Json) -> bool:
    """Whether the endpoint took it: any answer of 2xx within the time allowed."""
    payload = json.dumps(shown(event))
    address = urlsplit(endpoint["url"])
    is_secure = address.scheme == "https"
    make = http.client.HTTPSConnection if is_secure else http.client.HTTPConnection
    connection = make(address.hostname or "", address.port, timeout=TIMEOUT_S)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature(payload, secret=endpoint["_secret"], at=int(time.time())),
        "User-Agent": "Stripe/1.0 (simulator)",
    }
    path = f"{address.path or '/'}{'?' + address.query if address.query else ''}"
    try:
        connection.request("POST", path, body=payload.encode(), headers=headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as failed:
        logger.info("webhook %s %s not delivered: %s", event["type"], event["id"], failed)
        return False
    finally:
        connection.close()
    logger.info("webhook %s %s: %s", event["type"], event["id"], status)
    return 200 <= status < 300
