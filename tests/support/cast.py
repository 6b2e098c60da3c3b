"""The shared cast: small named builders, no random data."""

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User

from usage.actors import Actor
from usage.events import UsageData, UsageEvent
from usage.models import Account, Member, Role

TESTS = Actor(name="tests")
NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


def an_account(external_id: str = "acme", *, name: str = "") -> Account:
    return Account.objects.create(external_id=external_id, name=name or external_id.title())


def a_user(username: str = "alice", **fields: Any) -> User:
    return User.objects.create_user(
        username=username, email=f"{username}@example.com", password="correct horse", **fields
    )


def a_member(account: Account, *, username: str = "alice", role: Role = Role.OWNER) -> User:
    user = a_user(username)
    Member.objects.create(account=account, user=user, role=role)
    return user


def an_event(
    event_id: str = "e1",
    *,
    subject: str = "acme",
    source: str = "tests",
    at: datetime | None = NOW,
    provider: str = "openai",
    model: str = "gpt-4o",
    **data: Any,
) -> UsageEvent:
    """An event of 1000 input and 100 output tokens unless `data` says otherwise."""
    quantities = {"input_tokens": 1000, "output_tokens": 100} if provider == "openai" else {}
    return UsageEvent(
        id=event_id,
        source=source,
        subject=subject,
        time=at,
        data=UsageData(provider=provider, request_model=model, **{**quantities, **data}),
    )
