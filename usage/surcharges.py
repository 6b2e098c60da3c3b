"""The one door through which whoever sells plans writes an account's surcharges, and their reading."""

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import transaction

from usage.core.errors import InvalidRequest
from usage.core.money import PRICE_LIMIT, PRICE_PLACES
from usage.core.surcharges import NO_SURCHARGE, DatedTerms, Surcharges, SurchargeTerms, terms_at
from usage.models import Account, Surcharge

MAX_SURCHARGES = 100
MAX_TYPE_LENGTH = 64


def put(account: Account, *, surcharges: Mapping[str, SurchargeTerms], at: datetime) -> None:
    """Let calls of `account` that happen from `at` on carry these surcharges, by request type, and no others.

    What was in force before stays on record for calls that happened before. Raises InvalidRequest naming the
    request type and what is wrong.
    """
    check(surcharges)
    with transaction.atomic(savepoint=False):
        Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        known = by_account([account.pk]).get(account.pk, {})
        changed = {
            request_type: wanted
            for request_type in sorted(known.keys() | surcharges.keys())
            if (wanted := surcharges.get(request_type, NO_SURCHARGE)) != terms_at(known, request_type, at=at)
        }
        Surcharge.objects.bulk_create(
            [
                Surcharge(
                    account=account,
                    request_type=request_type,
                    effective_from=at,
                    per_request=terms.per_request,
                    per_hour=terms.per_hour,
                )
                for request_type, terms in changed.items()
            ],
            update_conflicts=True,
            unique_fields=["account", "request_type", "effective_from"],
            update_fields=["per_request", "per_hour"],
        )


def by_account(account_ids: Collection[int]) -> dict[int, Surcharges]:
    """Every surcharge, past ones included, of each of these accounts that has any."""
    found: dict[int, dict[str, list[DatedTerms]]] = {}
    for row in Surcharge.objects.filter(account_id__in=account_ids).order_by("effective_from"):
        dated = DatedTerms(row.effective_from, SurchargeTerms(row.per_request, row.per_hour))
        found.setdefault(row.account_id, {}).setdefault(row.request_type, []).append(dated)
    return dict(found)


def of_account(account: Account) -> Surcharges:
    """Every surcharge of one account, past ones included; none of one that is not saved."""
    return {} if account.pk is None else by_account([account.pk]).get(account.pk, {})


def check(surcharges: Mapping[str, SurchargeTerms]) -> None:
    """Return when an account can have these surcharges; raises InvalidRequest as `put` does."""
    if len(surcharges) > MAX_SURCHARGES:
        raise InvalidRequest(f"At most {MAX_SURCHARGES} surcharges, not {len(surcharges)}.")
    for request_type, terms in surcharges.items():
        if not 0 < len(request_type) <= MAX_TYPE_LENGTH or "\x00" in request_type:
            raise InvalidRequest(
                f"A surcharge's request type must have between 1 and {MAX_TYPE_LENGTH} characters."
            )
        for name, amount in terms._asdict().items():
            exponent = amount.as_tuple().exponent
            if not (amount.is_finite() and 0 <= amount < PRICE_LIMIT) or int(exponent) < -PRICE_PLACES:
                raise InvalidRequest(
                    f"The surcharge of {request_type!r}: {name} takes 0 or more USD below {PRICE_LIMIT}, "
                    f"with at most {PRICE_PLACES} decimals.",
                    details={"request_type": request_type},
                )
