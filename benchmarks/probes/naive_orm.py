"""P6, a first version: for each event two look-ups, read, modify and write the total, insert a row."""

from datetime import UTC, datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from benchmarks.stage import Stage
from benchmarks.tables import PLAIN_LOG, NaiveSummary, PlainLog
from benchmarks.timing import Sample, timed
from usage.core.rating import Quantities, rate
from usage.events import UsageEvent
from usage.models import Account, APIProviderPricing
from usage.pricebook import price_of

SOURCE = "naive"
# It is slow: a hundredth of the events tell as much.
FEWER = 100
WARM_UP = 5


def event_by_event(stage: Stage) -> Sample:
    """Calls of language models, one transaction each; their prices have no default to fall back on."""
    wanted = max(stage.events // FEWER, WARM_UP) + WARM_UP
    fresh = stage.main.workload.batch(10 * wanted, at=timezone.now())
    events = [event for event in fresh if event.data.input_tokens][:wanted]
    sample, _ = timed(record, events, size=1, warm_up=WARM_UP)
    stage.expected[PLAIN_LOG] += len(events)
    stage.expected[SOURCE] += len(events)
    return sample


@transaction.atomic
def record(event: UsageEvent) -> None:
    """Look up account and price, rate, lock the summary or make it, add, insert the log row."""
    data, occurred_at, now = event.data, event.time or timezone.now(), timezone.now()
    account = Account.objects.get(external_id=event.subject)
    price = APIProviderPricing.objects.filter(
        provider=data.provider, model_name=data.request_model, effective_from__lte=occurred_at
    ).latest("effective_from")
    tokens_in, tokens_out = data.input_tokens or 0, data.output_tokens or 0
    quantities = Quantities(tokens_in, data.cached_input_tokens or 0, 0, tokens_out, requests=1)
    cost = rate(quantities, price_of(price))
    add_to_summary(account, event, cost=cost.total, at=now)
    PlainLog.objects.create(
        account=account,
        billing_period_id=0,
        price=price,
        occurred_at=occurred_at,
        recorded_at=now,
        input_tokens=tokens_in,
        cached_input_tokens=data.cached_input_tokens,
        output_tokens=tokens_out,
        requests=1,
        response_time_ms=round((data.response_time or 0) * 1000),
        request_size=data.request_size,
        response_size=data.response_size,
        status_code=data.status_code,
        retry_count=data.retry_count,
        cost_input=cost.input,
        cost_output=cost.output,
        cost=cost.total,
        cost_source="local",
        source=SOURCE,
        event_id=event.id,
        provider=data.provider,
        provider_name=data.provider,
        model=price.model_name,
        model_used=data.request_model,
        endpoint=data.endpoint,
        method=data.method,
        request_type=data.operation,
        team=data.tags.team,
        project=data.tags.project,
    )


def add_to_summary(account: Account, event: UsageEvent, *, cost: Decimal, at: datetime) -> None:
    month = at.astimezone(UTC).date().replace(day=1)
    summary, _ = NaiveSummary.objects.select_for_update().get_or_create(
        account=account, provider=event.data.provider, month=month
    )
    summary.calls += 1
    summary.input_tokens += event.data.input_tokens or 0
    summary.output_tokens += event.data.output_tokens or 0
    summary.cost += cost
    summary.save()
