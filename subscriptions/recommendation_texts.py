"""What a recommendation says to people: title, one sentence, what it assumes, and where it may be wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from subscriptions.models import RecommendationKind, UsageRecommendation
from usage.core.money import to_cents
from usage.providers import name_of

SAME_TOKENS = (
    "The other model counts and writes as many tokens here. Tokenizers, and how long answers are, differ."
)
STAYS_CACHED = "What was read from the cache would have been read from the other model's cache as well."
USAGE_COST = (
    "The saving is in the cost of usage. What of it reaches your invoice depends on how much usage your plan "
    "includes."
)
TRY_FIRST = "A cheaper model is not the same model: try it on a sample of your calls and compare the answers."
RE_EMBED = (
    "Vectors of different models cannot be compared: everything that was embedded has to be embedded again, "
    "which is not part of this arithmetic."
)
WAITS = "Batches are answered within 24 hours, not at once: only for work that nobody waits for."
REASONS = {
    "own_key": "paid for by your own provider key",
    "reported": "with a cost that was reported instead of rated",
    "failed": "that failed and cost nothing",
    "no_price": "made when the other model had no price",
    "too_long": "longer than the other model can read",
    "units": "with something that the other model has no price for",
    "no_batch_price": "that have no batch price",
    "no_cache_price": "whose price for cached input is not lower",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """`done` completes the sentence "… calls of four weeks cost A; {done} B."."""

    title: str
    done: str
    assumes: Sequence[str]
    caveat: str


def texts_of(kind: RecommendationKind, subject: str, alternative: str, facts: Mapping[str, Any]) -> Texts:
    """The words for what was found; `subject`, `alternative` and `facts` are as they are kept."""
    return WORDS[kind](subject, alternative, facts)


def message_of(said: Texts, row: UsageRecommendation) -> str:
    """One plain sentence with the numbers."""
    now, then = _usd(row.cost_now), _usd(row.cost_then)
    if row.kind == RecommendationKind.PLAN:
        periods = row.arithmetic["facts"]["periods"]
        over = (
            "Your last billing period comes" if periods == 1 else f"Your last {periods} billing periods come"
        )
        end = f"{said.done} {then}." if row.alternative else said.done
        return f"{over} to {now} in fees and overage on {row.arithmetic['facts']['plan_now']}; {end}"
    noun = "call" if row.calls == 1 else "calls"
    return f"{row.calls:,} {noun} in four weeks cost {now}; {said.done} {then}."


def left_out(why: str, calls: int) -> str:
    """Calls that were not replayed, and why."""
    return f"{calls:,} call{'' if calls == 1 else 's'} {REASONS[why]}"


def model_name(key: str) -> str:
    """ "openai/gpt-4o" as people read it: "gpt-4o (OpenAI)"."""
    provider, _, model = key.partition("/")
    return f"{model} ({name_of(provider)})"


def _cheaper_model(subject: str, alternative: str, facts: Mapping[str, Any]) -> Texts:
    embeds = facts["class_now"] == "embedding"
    return Texts(
        title=f"{model_name(alternative)} instead of {model_name(subject)}",
        done=f"on {model_name(alternative)}, of the same class, they would have cost",
        assumes=[
            f"Both are sold as {facts['class_now']} models, by their makers' words; no benchmark was run.",
            SAME_TOKENS,
            *([] if embeds else [STAYS_CACHED]),
            USAGE_COST,
        ],
        caveat=RE_EMBED if embeds else TRY_FIRST,
    )


def _smaller_model(subject: str, alternative: str, facts: Mapping[str, Any]) -> Texts:
    return Texts(
        title=f"{model_name(alternative)} for what does not need {model_name(subject)}",
        done=f"on {model_name(alternative)}, one class smaller, they would have cost",
        assumes=[
            f"All of them move from a {facts['class_now']} to a {facts['class_then']} model; "
            "for a part of them the saving is a part.",
            SAME_TOKENS,
            STAYS_CACHED,
            USAGE_COST,
        ],
        caveat=TRY_FIRST,
    )


def _batch(subject: str, _: str, facts: Mapping[str, Any]) -> Texts:
    model, request_type = subject.removesuffix(f": {facts['request_type']}"), facts["request_type"]
    by = [f"The batch price is the provider's discount: {source}." for source in facts["sources"]]
    return Texts(
        title=f"Batch prices for {request_type} on {model_name(model)}",
        done="in the provider's batch queue they would have cost",
        assumes=[f"All calls of the request type “{request_type}” can wait.", *by, USAGE_COST],
        caveat=WAITS,
    )


def _caching(subject: str, _: str, facts: Mapping[str, Any]) -> Texts:
    endpoint = facts["endpoint"]
    model = subject.removesuffix(f" {endpoint}") if endpoint else subject
    where = f" at {endpoint}" if endpoint else ""
    now, then = facts["cached_percent_now"], facts["cached_percent_then"]
    return Texts(
        title=f"Cache more of the input of {model_name(model)}{where}",
        done=f"with {then}% of the input cached they would have cost",
        assumes=[
            f"{then}% of the input can be read from the cache, instead of {now}%: your own share in the week "
            f"from {facts['example_week']}, the best of this model's.",
            "Tokens written to the cache are charged at that week's share, too.",
            USAGE_COST,
        ],
        caveat=(
            "Only input that begins alike and comes again soon is cached. Put what stays the same first, and "
            "look whether these calls share it: the log does not hold what was sent."
        ),
    )


def _plan(_: str, alternative: str, facts: Mapping[str, Any]) -> Texts:
    now, then, lost = facts["plan_now"], facts["plan_then"], facts["features_lost"]
    refusing = [f"{plan} would have refused calls ({why})." for plan, why in facts["refusing"].items()]
    assumes = ["The next periods are like the last ones, under the plans as they are sold today.", *refusing]
    if not alternative:
        dearer = ", ".join(facts["dearer"])
        return Texts(
            title=f"Stay on {now}",
            done="no other plan would have taken all your calls for noticeably less.",
            assumes=[*assumes, *([f"{dearer} would not have cost less."] if dearer else [])],
            caveat="Calls that your plan refused are not in the log, and so not in this arithmetic.",
        )
    without = (
        f" {then} does not include: {', '.join(each.replace('_', ' ') for each in lost)}." if lost else ""
    )
    return Texts(
        title=f"{then} instead of {now}",
        done=f"on {then}, to",
        assumes=[*assumes, f"None of {then}'s limits would have refused one of these calls."],
        caveat=f"Calls that your plan refused are not in the log.{without}",
    )


def _usd(amount: Any) -> str:
    return f"${to_cents(amount):,f}"


WORDS: dict[RecommendationKind, Callable[[str, str, Mapping[str, Any]], Texts]] = {
    RecommendationKind.CHEAPER_MODEL: _cheaper_model,
    RecommendationKind.SMALLER_MODEL: _smaller_model,
    RecommendationKind.BATCH: _batch,
    RecommendationKind.CACHING: _caching,
    RecommendationKind.PLAN: _plan,
}
