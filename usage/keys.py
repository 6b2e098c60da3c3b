"""API keys: issued once, checked on every call, revoked for good.

A key is `prefix.secret`. The prefix finds its row through a unique index; the whole key is compared, in
constant time, with the SHA-512 hash that djangorestframework-api-key stores. Nothing is cached, so a
revocation holds from the next request on.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q, Value
from django.db.models.functions import Least
from rest_framework_api_key.crypto import KeyGenerator

from usage.core.errors import InvalidRequest
from usage.models import Account, ApiKey, Scope

MAX_NAME_LENGTH = 50
LAST_USED_PRECISION = timedelta(minutes=1)

# What the generator makes: eight characters of prefix, a dot, 32 of secret. Anything else is no key of
# ours and does not reach the database.
KEY_FORM = re.compile(r"[0-9A-Za-z]{8}\.[0-9A-Za-z]{32}")

KEY_FIELDS = [field.attname for field in ApiKey._meta.concrete_fields]
ACCOUNT_FIELDS = [field.attname for field in Account._meta.concrete_fields]
COLUMNS = ", ".join([*(f"k.{name}" for name in KEY_FIELDS), *(f"a.{name}" for name in ACCOUNT_FIELDS)])
KEY_BY_PREFIX = (
    f"SELECT {COLUMNS} FROM {ApiKey._meta.db_table} k "  # noqa: S608  # names of our own tables
    f"LEFT JOIN {Account._meta.db_table} a ON a.id = k.account_id WHERE k.prefix = %s AND NOT k.revoked"
)

_generator = KeyGenerator()


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A new key. `plain` is the only copy of the secret there will ever be: show it once, keep it nowhere."""

    key: ApiKey
    plain: str = field(repr=False)


def issue(
    *,
    name: str,
    account: Account | None,
    scopes: Iterable[Scope],
    expires_at: datetime | None = None,
    at: datetime,
) -> IssuedKey:
    """Create a key that acts for `account`, or for every account when it is None (a service key).

    Raises InvalidRequest for an empty or long name, no scope, or an expiry that is not after `at`.
    """
    wanted = sorted({Scope(scope).value for scope in scopes})
    if not 0 < len(name.strip()) <= MAX_NAME_LENGTH:
        raise InvalidRequest(f"name must have between 1 and {MAX_NAME_LENGTH} characters.")
    if not wanted:
        raise InvalidRequest(f"scopes must name at least one of {', '.join(Scope.values)}.")
    if expires_at is not None and expires_at <= at:
        raise InvalidRequest("expires_at must lie in the future.")
    key = ApiKey(name=name.strip(), account=account, scopes=wanted, expiry_date=expires_at)
    plain = ApiKey.objects.assign_key(key)
    key.save(force_insert=True)
    return IssuedKey(key=key, plain=plain)


def revoke(key: ApiKey, *, at: datetime) -> bool:
    """Refuse `key` from now on, for good; its expiry then tells when. False when it was revoked already."""
    # LEAST passes over NULL: a key without expiry ends now, an expired one keeps its date.
    ended = ApiKey.objects.filter(pk=key.pk, revoked=False).update(
        revoked=True, expiry_date=Least("expiry_date", Value(at))
    )
    key.refresh_from_db(fields=["revoked", "expiry_date"])
    return bool(ended)


def verify(plain: str, *, at: datetime) -> ApiKey | None:
    """The key row, its account loaded, that `plain` opens at `at`; None when unknown, revoked or expired."""
    if KEY_FORM.fullmatch(plain) is None:
        return None
    key = _usable_key(plain.partition(".")[0])
    if key is None or not _generator.verify(plain, key.hashed_key):
        return None
    if key.expiry_date is not None and key.expiry_date <= at:
        return None
    return key


def _usable_key(prefix: str) -> ApiKey | None:
    """The row that is not revoked, by fixed SQL: the ORM takes four times as long to put it together."""
    with connection.cursor() as cursor:
        cursor.execute(KEY_BY_PREFIX, [prefix])
        row = cursor.fetchone()
    if row is None:
        return None
    key: ApiKey = ApiKey.from_db(connection.alias, KEY_FIELDS, row[: len(KEY_FIELDS)])
    if key.account_id is not None:
        key.account = Account.from_db(connection.alias, ACCOUNT_FIELDS, row[len(KEY_FIELDS) :])
    return key


def mark_used(key: ApiKey, *, at: datetime) -> None:
    """Remember that `key` was used at `at`, to the minute: most calls write nothing."""
    stale = at - LAST_USED_PRECISION
    if key.last_used_at is not None and key.last_used_at > stale:
        return
    due = Q(last_used_at__isnull=True) | Q(last_used_at__lte=stale)
    ApiKey.objects.filter(due, pk=key.pk).update(last_used_at=at)
