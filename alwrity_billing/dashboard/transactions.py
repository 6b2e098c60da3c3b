"""What moved between an account and us: invoices, payments, credit notes; and what became of its credits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from subscriptions import credits, invoice_queries
from subscriptions.invoice_queries import Page, Transaction, TransactionKind
from subscriptions.models import BillingHistory, CreditEntry, CreditNoteKind, Payment
from subscriptions.models.invoices import InvoiceReason
from usage.models import Account

ROWS_A_PAGE = 25
KINDS = {
    TransactionKind.INVOICE: "Invoice",
    TransactionKind.PAYMENT: "Payment",
    TransactionKind.CREDIT_NOTE: "Credit note",
}
STATES = {
    TransactionKind.INVOICE: dict(BillingHistory._meta.get_field("state").flatchoices),
    TransactionKind.PAYMENT: dict(Payment._meta.get_field("state").flatchoices),
    TransactionKind.CREDIT_NOTE: dict(CreditNoteKind.choices),
}
# The tones of states, as of those of invoices; what is not named is idle.
TONES = {
    "paid": "good",
    "succeeded": "good",
    "open": "warn",
    "disputed": "warn",
    "uncollectible": "bad",
    "failed": "bad",
    "lost": "bad",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """A transaction as a row of the page; `number` is that of the invoice it belongs to."""

    at: datetime
    kind: str
    number: str
    own_number: str
    note: str
    state: str
    tone: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionsPage:
    """A page of transactions and one of the credits' ledger, each of its own number, from 1 on."""

    movements: Sequence[Movement]
    found: Page[Transaction]
    number: int
    credit: Decimal
    entries: Page[CreditEntry]
    entries_number: int


def transactions_page(
    account: Account, *, number: int, entries_number: int, at: datetime
) -> TransactionsPage:
    """The account's transactions and credits as of `at`, newest first."""
    found = invoice_queries.transactions_of(account, limit=ROWS_A_PAGE, offset=ROWS_A_PAGE * (number - 1))
    return TransactionsPage(
        movements=[_movement(transaction) for transaction in found.rows],
        found=found,
        number=number,
        credit=credits.balance_of(account, at=at),
        entries=invoice_queries.ledger_of(
            account, limit=ROWS_A_PAGE, offset=ROWS_A_PAGE * (entries_number - 1)
        ),
        entries_number=entries_number,
    )


def _movement(transaction: Transaction) -> Movement:
    is_invoice = transaction.kind is TransactionKind.INVOICE
    return Movement(
        at=transaction.at,
        kind=KINDS[transaction.kind],
        number=transaction.invoice_number,
        own_number="" if is_invoice else transaction.number,
        note=InvoiceReason(transaction.note).label if is_invoice else transaction.note,
        state=str(STATES[transaction.kind][transaction.state]),
        tone=TONES.get(transaction.state, "idle"),
        amount=transaction.amount,
    )
