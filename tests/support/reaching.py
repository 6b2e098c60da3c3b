"""Calls that reach the limits of plans, each in an account where nothing else stands in the way."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from subscriptions.models import SubscriptionPlan
from tests.support.authorizing import an_operation, ask, settle
from tests.support.cast import NOW, an_account
from tests.support.prices import LOADED_AT
from tests.support.subscribing import LONG_AGO, subscribe
from usage import pricebook
from usage.core.errors import UsageLimitExceededException
from usage.events import Units
from usage.limits import LimitTerms
from usage.models import Account, LimitScope, Measure, UsageLimit, Window
from usage.operations import MAX_CALLS, MAX_OPERATIONS, Authorized, Operation

TOKEN = Decimal("0.000025")
LLMS = ("openai", "gemini", "anthropic", "mistral")
UNITS = {
    "tavily": "search",
    "serper": "search",
    "metaphor": "search",
    "firecrawl": "page",
    "stability": "image",
}
MODEL = "any-model"
LONGEST = timedelta(hours=2)


@dataclass(frozen=True)
class Answer:
    """What a request met: nothing, or a refusal with its code, its reason and the limits that refused."""

    code: str = "granted"
    reason: str = "allowed"
    refusing: tuple[str, ...] = ()


GRANTED = Answer()


def price_every_provider() -> None:
    """25 USD per million tokens in and out at every LLM provider, a tenth of a cent for every other unit."""
    token_prices = {"cost_per_input_token": TOKEN, "cost_per_output_token": TOKEN}
    prices: dict[str, dict[str, Decimal]] = dict.fromkeys(LLMS, token_prices)
    prices |= {provider: {f"cost_per_{unit}": Decimal("0.001")} for provider, unit in UNITS.items()}
    for provider, columns in prices.items():
        pricebook.add(
            by=None, at=LOADED_AT, provider=provider, model_name="*", effective_from=LONG_AGO, **columns
        )


def on_plan(plan: SubscriptionPlan, external_id: str) -> Account:
    """A new account on the plan."""
    account = an_account(external_id)
    subscribe(plan, account=account)
    return account


def with_that_alone(plan: SubscriptionPlan, name: str) -> Account:
    """A new account on the plan, for which every limit but the one of that name is unlimited."""
    account = on_plan(plan, f"{plan.key}.{name}")
    UsageLimit.objects.filter(account=account).exclude(name=name).update(amount=None)
    return account


def requests_for(terms: LimitTerms, amount: Decimal) -> list[list[Operation]]:
    """The operations of each request that together take `amount` of the limit, and as little of others as
    there is: calls of no tokens, tokens or images of a single call, USD at 25 for a million tokens.
    """
    match terms.measure:
        case Measure.TOKENS:
            return [[_operation(terms, input_tokens=int(amount))]]
        case Measure.COST:
            return [[_operation(terms, input_tokens=int(amount / TOKEN))]]
        case Measure.IMAGES:
            return [[_operation(terms, units=Units(images=int(amount)))]]
    if terms.window == Window.CONCURRENT:
        return [[_operation(terms)]] * int(amount)
    whole, rest = divmod(int(amount), MAX_CALLS)
    calls = [_operation(terms, calls=MAX_CALLS)] * whole + [_operation(terms, calls=rest)] * bool(rest)
    return [calls[begin : begin + MAX_OPERATIONS] for begin in range(0, len(calls), MAX_OPERATIONS)]


def smallest(terms: LimitTerms) -> Decimal:
    """The least that a call can take of the limit."""
    return TOKEN if terms.measure == Measure.COST else Decimal(1)


def take(account: Account, terms: LimitTerms, amount: Decimal, *, at: datetime = NOW) -> list[Authorized]:
    """Authorize that much of the limit."""
    requests = requests_for(terms, amount)
    return [ask(*each, customer=account.external_id, at=at, expires_in=LONGEST) for each in requests]


def answer_to(account: Account, terms: LimitTerms, amount: Decimal, *, at: datetime = NOW) -> Answer:
    """How asking for that much of the limit ends."""
    try:
        take(account, terms, amount, at=at)
    except UsageLimitExceededException as refused:
        decision = refused.details["decision"]
        refusing = tuple(standing["name"] for standing in decision["limits"] if standing["refused"])
        return Answer(refused.error_code, decision["reason"], refusing)
    return GRANTED


def use(account: Account, terms: LimitTerms, amount: Decimal) -> None:
    """Authorize and settle that much of the limit in one call."""
    (granted,) = take(account, terms, amount)
    ((operation,),) = requests_for(terms, amount)
    stated = {"input_tokens": operation.input_tokens, "output_tokens": 0} if operation.input_tokens else {}
    settle(
        granted, subject=account.external_id, provider=operation.provider, model=operation.model,
        request_type=operation.request_type, units=operation.units, **stated,
    )  # fmt: skip


def _operation(terms: LimitTerms, **fields: object) -> Operation:
    """A call that the limit counts."""
    provider = "openai"
    if terms.scope == LimitScope.PROVIDER:
        provider = terms.scope_value
    elif terms.scope == LimitScope.KIND:
        provider = "gemini"
    request_type = terms.scope_value if terms.scope == LimitScope.REQUEST_TYPE else ""
    usual = {"input_tokens": 0, "max_output_tokens": 0} if provider in LLMS else {}
    return an_operation(provider, MODEL, request_type=request_type, **{**usual, **fields})
