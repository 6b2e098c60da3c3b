"""The form for a card: its fields, what is wrong with them, and the test cards beside it."""

import re
import time
from dataclasses import dataclass, field

from subscriptions.stripe.simulator import cards
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.pages.rendering import Html, fill, joined
from subscriptions.stripe.simulator.resources import payment_methods
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError

CENTURY = 100
FIELDS = (
    ("number", "Card number", "cc-number", "4242 4242 4242 4242", "numeric"),
    ("expiry", "Expiry (MM / YY)", "cc-exp", "12 / 34", "text"),
    ("cvc", "Security code", "cc-csc", "123", "numeric"),
    ("name", "Name on the card", "cc-name", "Jane Doe", "text"),
)
# Typed anew after a mistake, as everywhere.
NOT_REPEATED = {"cvc"}


@dataclass
class Entered:
    """What somebody typed, and what is wrong with it, per field; `problem` concerns the whole."""

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def render(entered: Entered, *, action: str, button: str, extra: Html | None = None) -> Html:
    fields = [
        _field(name, label, autocomplete, placeholder, mode, entered=entered)
        for name, label, autocomplete, placeholder, mode in FIELDS
    ]
    form = fill(
        "card_form.html",
        action=action,
        button=button,
        fields=joined(fields),
        extra=extra or Html(""),
        problem=notice(entered.problem),
    )
    return fill("with_cards.html", form=form, cards=test_cards())


def notice(problem: str) -> Html:
    return fill("notice.html", text=problem) if problem else Html("")


def _field(
    name: str, label: str, autocomplete: str, placeholder: str, mode: str, *, entered: Entered
) -> Html:
    error = entered.errors.get(name, "")
    described = Html(f'aria-invalid="true" aria-describedby="{name}-error"') if error else Html("")
    return fill(
        "field.html",
        name=name,
        label=label,
        autocomplete=autocomplete,
        placeholder=placeholder,
        inputmode=mode,
        value="" if name in NOT_REPEATED else entered.values.get(name, ""),
        described=described,
        error=fill("field_error.html", name=name, text=error) if error else Html(""),
    )


def test_cards() -> Html:
    rows = [fill("card_row.html", number=card.spaced, meaning=card.meaning) for card in cards.CARDS]
    return fill("test_cards.html", rows=joined(rows))


def read(call: Call, form: dict[str, str]) -> tuple[Json | None, Entered]:
    """The payment method that was typed, or what is wrong with it."""
    entered = Entered(values={name: form.get(name, "").strip() for name, *_ in FIELDS})
    month, year = _expiry(entered)
    if not re.fullmatch(r"\d{3,4}", entered.values["cvc"]):
        entered.errors["cvc"] = "The security code has three or four digits."
    if not entered.values["name"]:
        entered.errors["name"] = "Enter the name on the card."
    try:
        card = cards.of_number(entered.values["number"])
    except ApiError as refused:
        entered.errors["number"] = refused.message
        return None, entered
    if entered.errors:
        return None, entered
    billing = {"name": entered.values["name"]}
    return payment_methods.make(call, card, exp_month=month, exp_year=year, billing=billing), entered


def _expiry(entered: Entered) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,2})\s*/?\s*(\d{2}|20\d{2})", entered.values["expiry"])
    now = time.gmtime()
    if found is None or not 1 <= int(found[1]) <= 12:
        entered.errors["expiry"] = "Write the expiry as month and year, such as 12 / 34."
        return now.tm_mon, now.tm_year
    month, year = int(found[1]), int(found[2][-2:]) + now.tm_year // CENTURY * CENTURY
    if (year, month) < (now.tm_year, now.tm_mon):
        entered.errors["expiry"] = "Your card's expiration date is in the past."
    return month, year
