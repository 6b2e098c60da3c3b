"""The usage page: how much of what was used when, by whom and for what."""

from typing import TypeVar

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from alwrity_billing.dashboard.definitions import DEFINITIONS, USAGE
from alwrity_billing.dashboard.exploring import NAMES, Question, answer
from alwrity_billing.dashboard.ranges import INTERVALS, MOST_DAYS_OF, range_of
from alwrity_billing.dashboard.ranges import NAMES as RANGES
from alwrity_billing.dashboard.series import Quantity
from alwrity_billing.dashboard.visits import Visit, account_page
from usage.analytics import LONGEST_KEY, Dimension

Choice = TypeVar("Choice", Dimension, Quantity)


@require_safe
@account_page
def usage(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Usage as the address asks for it; what cannot be asked is named and answered with the usual."""
    asked = {name: request.GET[name].replace("\x00", "") for name in request.GET}
    shown, errors = range_of(asked, at=visit.at)
    by = _chosen(Dimension, asked, "by", Dimension.PROVIDER, errors)
    quantity = _chosen(Quantity, asked, "measure", Quantity.COST, errors)
    question = Question(
        range=shown, by=by, only=_only(asked), quantity=quantity, compares=asked.get("compare") == "1"
    )
    days = (shown.end - shown.start).days
    dates = {"from": str(shown.first_day), "to": str(shown.last_day)}
    context = {
        **visit.frame(),
        "page": answer(visit.account, question),
        "errors": errors,
        "dates": {"from": asked.get("from", ""), "to": asked.get("to", "")},
        "ranges": RANGES,
        "intervals": [interval for interval in INTERVALS if days <= MOST_DAYS_OF[interval]],
        "dimensions": NAMES,
        "quantities": list(Quantity),
        "exported": {
            **dates,
            "interval": shown.interval,
            "by": by.value,
            **{dimension.value: value for dimension, value in question.only.items()},
        },
        "calls": {**dates, **_of_calls(question)},
        "definitions": {**DEFINITIONS, **USAGE},
    }
    return render(request, "dashboard/usage.html", context)


def _chosen(
    choices: type[Choice], asked: dict[str, str], name: str, usual: Choice, errors: dict[str, str]
) -> Choice:
    value = asked.get(name) or usual.value
    try:
        return choices(value)
    except ValueError:
        errors[name] = f"Choose one of {', '.join(choices)}."
        return usual


def _only(asked: dict[str, str]) -> dict[Dimension, str]:
    """What narrows the answer. A parameter that is there and empty asks for calls that do not tell."""
    named = {dimension: asked.get(dimension.value) for dimension in Dimension}
    return {dimension: value[:LONGEST_KEY] for dimension, value in named.items() if value is not None}


def _of_calls(question: Question) -> dict[str, str]:
    """What the log of calls has to be asked for the calls behind the answer."""
    told = {dimension.value: value for dimension, value in question.only.items() if value}
    untold = [dimension.value for dimension, value in question.only.items() if not value]
    return {**told, "without": ",".join(untold)} if untold else told
