"""Adjustments: amounts that staff put on an account's next invoice, and take back while none bills them."""

from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from subscriptions.actors import Actor
from subscriptions.core.invoices import InvoiceState
from subscriptions.models import BillingHistory, InvoiceItem, InvoiceLine
from usage.core.errors import Conflict, InvalidRequest
from usage.core.money import format_amount, is_cents
from usage.models import Account

MAX_AMOUNT = Decimal(1_000_000)
MAX_DESCRIPTION = 300


def add(
    account: Account,
    *,
    amount: Decimal,
    description: str,
    at: datetime,
    by: Actor,
    corrects: BillingHistory | None = None,
) -> InvoiceItem:
    """Let `amount` USD wait for the account's next invoice; a negative one is in the customer's favour.

    `corrects` is the invoice that was wrong. Raises InvalidRequest naming the field that cannot be.
    """
    description = description.strip()
    if not is_cents(amount) or not 0 < abs(amount) <= MAX_AMOUNT:
        raise InvalidRequest(
            f"amount: whole cents other than 0, between -{MAX_AMOUNT} and {MAX_AMOUNT} USD; "
            "negative ones are in the customer's favour."
        )
    if not 0 < len(description) <= MAX_DESCRIPTION:
        raise InvalidRequest(
            f"description: say in at most {MAX_DESCRIPTION} characters what it is for, the customer reads it."
        )
    if corrects is not None and corrects.account_id != account.pk:
        raise InvalidRequest(f"corrects: {corrects} is another account's.")
    if corrects is not None and corrects.state == InvoiceState.DRAFT:
        raise InvalidRequest("corrects: a draft is not an invoice yet.")
    return InvoiceItem.objects.create(
        account=account,
        amount=amount,
        description=description,
        corrects=corrects,
        created_at=at,
        actor=by.name,
        actor_user=by.user,
    )


def withdraw(item: InvoiceItem, *, reason: str, at: datetime, by: Actor) -> InvoiceItem:
    """Take back an item that waits, by its opposite, so that the next invoice has both and asks for neither.

    Raises Conflict for one that is billed, is withdrawn, or withdraws another.
    """
    if not reason.strip():
        raise InvalidRequest("reason: say why, the customer reads it.")
    if InvoiceLine.objects.filter(item=item).exists():
        raise Conflict("An invoice has billed it: correct that one instead.", code="item_billed")
    if item.withdraws_id is not None:
        raise Conflict("It withdraws another one: add that anew instead.", code="item_withdraws")
    try:
        with transaction.atomic():
            return InvoiceItem.objects.create(
                account_id=item.account_id,
                amount=-item.amount,
                description=f"Withdrawn: {item.description} ({reason.strip()})"[:MAX_DESCRIPTION],
                corrects_id=item.corrects_id,
                withdraws=item,
                created_at=at,
                actor=by.name,
                actor_user=by.user,
            )
    except IntegrityError as known:
        raise Conflict(
            f"{item.description} ({format_amount(item.amount)} USD) is withdrawn already.",
            code="item_withdrawn",
        ) from known
