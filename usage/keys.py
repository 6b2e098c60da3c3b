"""API keys: issued once, checked on every call, revoked for good.

An account's people make keys, rotate them (the new one takes the place of the old, which goes on for a while
or ends at once) and revoke them, under the lock on the account's row; each is kept (`usage.account_changes`).
What staff do with keys of no account the admin's own history tells.

A key is `prefix.secret`. The prefix finds its row through a unique index; the whole key is compared, in
constant time, with the SHA-512 hash that djangorestframework-api-key stores. Nothing is cached, so a
revocation holds from the next request on.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Least
from rest_framework_api_key.crypto import KeyGenerator

from usage import account_changes, members
from usage.actors import Actor
from usage.core.errors import Conflict, InvalidRequest, NotFound
from usage.models import Account, ApiKey, ChangeOf, Scope

MAX_NAME_LENGTH = 50
LAST_USED_PRECISION = timedelta(minutes=1)
# Of an account, that can be used.
MOST_KEYS = 50
LONGEST_OVERLAP = timedelta(days=7)

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


def create(account: Account, *, name: str, scopes: Iterable[str], at: datetime, by: Actor) -> IssuedKey:
    """Create a key of the account, by a name that none of its keys in use has.

    Raises InvalidRequest, with the `field` in its details, for what cannot be a name or scopes and for a name
    that is taken; Conflict (`keys_full`) where MOST_KEYS are in use.
    """
    with transaction.atomic():
        members.lock(account)
        in_use = _in_use(account, at=at)
        if in_use.filter(name=name.strip(), replaced_by__isnull=True).exists():
            raise _wrong("name", "A key of this name is in use: choose another one.")
        if in_use.count() >= MOST_KEYS:
            raise Conflict(f"{MOST_KEYS} keys are in use: revoke one first.", code="keys_full")
        return issue(name=name, account=account, scopes=scopes, at=at, by=by)


@transaction.atomic
def issue(
    *,
    name: str,
    account: Account | None,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    at: datetime,
    by: Actor,
) -> IssuedKey:
    """Create a key that acts for `account`, or for every account when it is None (a service key).

    Raises InvalidRequest for an empty or long name, wrong scopes, or an expiry that is not after `at`.
    """
    wanted = sorted(set(scopes))
    if not 0 < len(name.strip()) <= MAX_NAME_LENGTH or "\x00" in name:
        raise _wrong("name", f"Give between 1 and {MAX_NAME_LENGTH} characters.")
    if not wanted or not set(wanted) <= set(Scope.values):
        raise _wrong("scopes", f"Give at least one of {', '.join(Scope.values)}.")
    if expires_at is not None and expires_at <= at:
        raise _wrong("expires_at", "It must lie in the future.")
    key = ApiKey(name=name.strip(), account=account, scopes=wanted, expiry_date=expires_at)
    plain = ApiKey.objects.assign_key(key)
    key.save(force_insert=True)
    _note(key, before={}, at=at, by=by)
    return IssuedKey(key=key, plain=plain)


def rotate(key: ApiKey, *, overlap: timedelta, at: datetime, by: Actor) -> IssuedKey:
    """Make a key of the same name, scopes and expiry in the place of an account's `key`, which goes on for
    `overlap` or, where that is nothing, is revoked.

    Raises InvalidRequest for less than nothing or more than LONGEST_OVERLAP, Conflict (`key_ended`,
    `key_replaced`) for one that is refused already or has been replaced.
    """
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise _wrong("overlap", f"Give at most {LONGEST_OVERLAP.days} days.")
    with transaction.atomic():
        found = _locked(key)
        if found.account is None or not _in_use(found.account, at=at).filter(pk=found.pk).exists():
            raise Conflict("This key has ended: create a new one.", code="key_ended")
        if found.replaced_by_id is not None:
            raise Conflict("Another key has taken its place already.", code="key_replaced")
        issued = issue(
            name=found.name,
            account=found.account,
            scopes=found.scopes,
            expires_at=found.expiry_date,
            at=at,
            by=by,
        )
        before = facts(found)
        ApiKey.objects.filter(pk=found.pk).update(
            replaced_by=issued.key,
            revoked=not overlap,
            expiry_date=Least("expiry_date", Value(at + overlap)),
        )
        found.refresh_from_db()
        _note(found, before=before, at=at, by=by)
    return issued


@transaction.atomic
def revoke(key: ApiKey, *, at: datetime, by: Actor) -> bool:
    """Refuse `key` from now on, for good; its expiry then tells when. False when it was revoked already."""
    before = facts(_locked(key))
    # LEAST passes over NULL: a key without expiry ends now, an expired one keeps its date.
    ended = ApiKey.objects.filter(pk=key.pk, revoked=False).update(
        revoked=True, expiry_date=Least("expiry_date", Value(at))
    )
    key.refresh_from_db(fields=["revoked", "expiry_date"])
    if ended:
        _note(key, before=before, at=at, by=by)
    return bool(ended)


def of_account(account: Account, *, at: datetime, ended_at_most: int) -> tuple[list[ApiKey], list[ApiKey]]:
    """The account's keys in use at `at`, and up to `ended_at_most` of those that have ended; newest first."""
    found = ApiKey.objects.filter(account=account).order_by("-created", "prefix")
    in_use = _in_use(account, at=at)
    return list(in_use.order_by("-created", "prefix")), list(found.exclude(pk__in=in_use)[:ended_at_most])


def key_of(account: Account, prefix: str) -> ApiKey:
    """The account's key of that prefix. Raises NotFound for others', in the same words as for none."""
    found: ApiKey | None = ApiKey.objects.filter(account=account, prefix=prefix).first()
    if found is None:
        raise NotFound("There is no such key.", code="key_unknown")
    return found


def facts(key: ApiKey) -> dict[str, object]:
    """What history keeps of a key."""
    return {
        "scopes": list(key.scopes),
        "expires_at": None if key.expiry_date is None else key.expiry_date.isoformat(),
        "revoked": key.revoked,
        "replaced_by": key.replaced_by_id,
    }


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


def _in_use(account: Account, *, at: datetime) -> QuerySet[ApiKey]:
    """The account's keys that `verify` would let in at `at`."""
    unexpired = Q(expiry_date__isnull=True) | Q(expiry_date__gt=at)
    return ApiKey.objects.filter(unexpired, account=account, revoked=False)


def _locked(key: ApiKey) -> ApiKey:
    """The key as it stands, after whatever else is done to its account's keys; locked itself as well."""
    if key.account is not None:
        members.lock(key.account)
    found: ApiKey = ApiKey.objects.select_for_update(no_key=True).get(pk=key.pk)
    return found


def _note(key: ApiKey, *, before: dict[str, object], at: datetime, by: Actor) -> None:
    if key.account is not None:
        account_changes.note(
            key.account, ChangeOf.KEY, str(key), before=before, after=facts(key), at=at, by=by
        )


def _wrong(field: str, told: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {told}", details={"field": field})
