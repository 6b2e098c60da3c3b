"""What stands above every page while something needs the account's people: what happened, and what helps."""

from dataclasses import dataclass

from alwrity_billing.dashboard.figures import billed
from subscriptions import invoice_queries
from subscriptions.attention import BudgetPauses, CardExpires, Concern, TrialEnds, Unpaid, card_name
from subscriptions.invoice_texts import day

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """A heading, a sentence, and what helps: `card_button` names a button that leads to where a card is
    saved, `plans_link` one to the plans, `budget_link` one to the budget; `payment_url` is where the invoice
    can be paid at once.
    """

    tone: str
    heading: str
    text: str
    card_button: str = ""
    plans_link: str = ""
    budget_link: str = ""
    payment_url: str = ""


def banner_of(concern: Concern) -> Banner:
    """The words for it."""
    match concern:
        case Unpaid():
            return _unpaid(concern)
        case BudgetPauses():
            return _budget(concern)
        case TrialEnds():
            return _trial(concern)
        case CardExpires():
            return _card(concern)


def _unpaid(unpaid: Unpaid) -> Banner:
    why = f"{unpaid.failure} " if unpaid.failure else ""
    if unpaid.paused:
        heading = f"Your subscription is paused: {billed(unpaid.amount)} could not be paid"
        then = "Calls are refused until then; as soon as it is paid, everything goes on as before."
    else:
        heading = f"{billed(unpaid.amount)} could not be paid"
        then = "Your calls still work."
        if unpaid.next_attempt_at is not None:
            then = f"{then} The card is charged again on {day(unpaid.next_attempt_at)}."
    return Banner(
        tone=ERROR,
        heading=heading,
        text=f"Invoice {unpaid.invoice.number}: {why}{then}",
        card_button="Update card",
        payment_url=invoice_queries.payment_url(unpaid.invoice),
    )


def _budget(pauses: BudgetPauses) -> Banner:
    reason = pauses.reason.rstrip(".")
    if pauses.until is None:
        return Banner(
            tone=ERROR,
            heading=f"All calls are paused by {pauses.by}: {reason}",
            text="They are refused until an owner or a billing admin resumes the budget, or our support "
            "does.",
            budget_link="Resume the budget",
        )
    return Banner(
        tone=ERROR,
        heading=f"{reason}: calls are refused until {day(pauses.until)}",
        text="To go on sooner, an owner or a billing admin can raise the budget, and so can our support. "
        "Calls then go through again at once.",
        budget_link="Raise the budget",
    )


def _trial(trial: TrialEnds) -> Banner:
    heading = f"Your trial of {trial.plan} ends on {day(trial.at)}"
    if not trial.converts:
        text = "From then on calls are refused, unless you choose a plan."
        return Banner(tone=WARNING, heading=heading, text=text, plans_link="See the plans")
    if not trial.fee:
        return Banner(tone=WARNING, heading=heading, text="The plan then goes on, without a fee.")
    if trial.has_card:
        return Banner(
            tone=WARNING, heading=heading, text=f"Your card is then charged {billed(trial.fee)} for the plan."
        )
    text = f"The plan then costs {billed(trial.fee)}. Add a card, so that it can go on."
    return Banner(tone=WARNING, heading=heading, text=text, card_button="Add a card")


def _card(card: CardExpires) -> Banner:
    name = card_name(card.brand, card.last4)
    when = "has expired" if card.has_expired else f"expires before {day(card.at)}"
    return Banner(
        tone=WARNING,
        heading=f"Your {name} {when}",
        text="Put another one in its place, so that your next invoice can be paid.",
        card_button="Update card",
    )
