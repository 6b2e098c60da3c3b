"""Whom an account's invoices go to: changed as a whole, and told to Stripe where it knows the customer."""

import logging
from collections.abc import Mapping
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from subscriptions.actors import Actor
from subscriptions.models import BillingProfile
from subscriptions.stripe import holds
from usage.core.errors import Conflict, InvalidRequest
from usage.models import Account

logger = logging.getLogger(__name__)

ADDRESS_PARTS = ("line1", "line2", "city", "state", "postal_code", "country")
MAX_PART = 200
MAX_NAME = 200
MAX_TAX_ID = 64
COUNTRY_LETTERS = 2


def change(
    account: Account,
    *,
    name: str,
    email: str,
    address: Mapping[str, str],
    tax_id: str,
    at: datetime,
    by: Actor,
) -> BillingProfile:
    """Write down whom the account's next invoices go to; those that are final keep what they say.

    `address` is of ADDRESS_PARTS, its country two letters as ISO 3166 has them; what is empty is left out.
    Raises InvalidRequest naming the field that cannot be.
    """
    name, email, tax_id = name.strip(), email.strip(), tax_id.strip()
    _check_length("name", name, MAX_NAME)
    _check_length("tax_id", tax_id, MAX_TAX_ID)
    _check_email(email)
    parts = _address(address)
    with transaction.atomic():
        BillingProfile.objects.get_or_create(account=account, defaults={"updated_at": at})
        profile = BillingProfile.objects.select_for_update().get(account=account)
        profile.name, profile.email, profile.address, profile.tax_id = name, email, parts, tax_id
        profile.updated_at = at
        if profile.stripe_customer_id:
            profile.push_at, profile.push_attempts, profile.push_error = at, 0, ""
        profile.save(
            update_fields=[
                "name", "email", "address", "tax_id", "updated_at", "push_at", "push_attempts", "push_error",
            ]
        )  # fmt: skip
    logger.info("billing profile of account %s changed by %s", account.pk, by.name)
    return profile


def lift_hold(profile: BillingProfile, *, reason: str, at: datetime, by: Actor) -> None:
    """Let the account's card be charged again, at once for what is open. Raises Conflict where nothing holds
    it back.
    """
    if not reason.strip():
        raise InvalidRequest("reason: say why the card may be charged again.")
    with transaction.atomic():
        if not BillingProfile.objects.select_for_update().get(pk=profile.pk).hold_reason:
            raise Conflict("Nothing holds the card back.", code="not_held")
        holds.lift(profile.account, at=at)
    logger.info("hold of account %s lifted by %s: %s", profile.pk, by.name, reason)


def _address(address: Mapping[str, str]) -> dict[str, str]:
    unknown = set(address) - set(ADDRESS_PARTS)
    if unknown:
        raise InvalidRequest(f"address: {', '.join(sorted(unknown))} is no part of it.")
    parts = {part: address.get(part, "").strip() for part in ADDRESS_PARTS}
    for part, text in parts.items():
        _check_length(part, text, MAX_PART)
    country = parts["country"].upper()
    if country and not (len(country) == COUNTRY_LETTERS and country.isascii() and country.isalpha()):
        raise InvalidRequest("country: two letters, such as DE or US.")
    return {part: text for part, text in {**parts, "country": country}.items() if text}


def _check_length(field: str, text: str, most: int) -> None:
    if len(text) > most:
        raise InvalidRequest(f"{field}: at most {most} characters.")


def _check_email(email: str) -> None:
    try:
        if email:
            validate_email(email)
    except ValidationError as wrong:
        raise InvalidRequest("email: this is not an e-mail address.") from wrong
