"""One call on the simulated API: what it works with, and how it changes objects."""

from dataclasses import dataclass, field
from typing import Any

from subscriptions.stripe.simulator import events
from subscriptions.stripe.simulator.store import Json, Store
from subscriptions.stripe.simulator.wire import ApiError, no_such


@dataclass(kw_only=True)
class Call:
    """Lives inside one transaction of the store. `path_ids` are the ids in the path, `now` is in seconds."""

    store: Store
    now: int
    base_url: str
    params: Json = field(default_factory=dict)
    path_ids: tuple[str, ...] = ()
    request_id: str | None = None
    idempotency_key: str | None = None

    @property
    def path_id(self) -> str:
        return self.path_ids[0]

    def get(self, kind: str, object_id: str, *, param: str = "id") -> Json:
        """The object of this kind. Raises ApiError 404 if there is none, or it was deleted."""
        found = self.store.find(object_id)
        if found is None or found["object"] != kind or found.get("deleted"):
            raise no_such(kind, object_id, param=param)
        return found

    def at_path(self, kind: str, *, param: str | None = None) -> Json:
        return self.get(kind, self.path_id, param=param or "id")

    def make(self, body: Json, *, event: str | None = None) -> Json:
        self.store.insert(body)
        if event:
            self.emit(event, body)
        return body

    def save(self, body: Json, *, event: str | None = None) -> Json:
        """Keep the changed object; an `….updated` event says what its fields were before."""
        before = self.store.find(body["id"]) or {}
        self.store.save(body)
        if event:
            is_update = event.endswith(".updated")
            self.emit(event, body, before=events.previous(before, body) if is_update else None)
        return body

    def change(self, body: Json, *, event: str | None = None, **fields: Any) -> Json:
        return self.save({**body, **fields}, event=event)

    def emit(self, kind: str, body: Json, *, before: Json | None = None) -> None:
        events.record(
            self.store,
            kind,
            body=body,
            before=before,
            now=self.now,
            request={"id": self.request_id, "idempotency_key": self.idempotency_key},
        )

    def may_change(self, *names: str) -> None:
        """Raises ApiError if the call would change more than these fields."""
        others = self.params.keys() - {*names, "expand"}
        if others:
            raise ApiError(f"The Stripe simulator does not change {min(others)} here", param=min(others))

    def with_metadata(self, body: Json) -> Json:
        """The object's metadata after this call: an empty value unsets a key, an empty text all of them."""
        given = self.params.get("metadata")
        kept = body.get("metadata") or {}
        if given is None:
            return {**kept}
        merged = {**kept, **given} if given else {}
        return {key: value for key, value in merged.items() if value != ""}
