"""Which column of a file means which field of an event: known names are understood, the rest is said.

Names are compared without case, spaces and punctuation other than dots, so that "ContextTokens",
"context_tokens" and "Context tokens" are one; the groups that nested formats put before a name are passed
over. Dots count: OpenTelemetry's `cache_read.input_tokens` is a part of its input tokens, Anthropic's
`cache_read_input_tokens` is not.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from usage.core.errors import InvalidRequest

# What `--map column=` takes to leave a column out.
IGNORED = ""
GROUPS = ("data.", "attributes.", "gen_ai.", "usage.", "units.", "tags.")
PUNCTUATION = re.compile(r"[^0-9a-z.]+")

COUNT = "a whole number, at most 2 000 000 000"
SHORT_TEXT = "text of at most 64 characters"
TEXT = "text of at most 128 characters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing a row can say about a call: what it `takes`, and the column names that mean it, best first.

    The field's own name always means it, unless `by_map_only`.
    """

    name: str
    takes: str
    aliases: tuple[str, ...] = ()
    by_map_only: bool = False


FIELDS = (
    Field(
        name="id",
        takes="text of 1 to 128 characters, the row's own id, unique within the source",
        aliases=("event_id",),
        by_map_only=True,
    ),
    Field(
        name="time",
        takes="ISO 8601 (UTC unless it has an offset), or Unix time in seconds, ms, µs or ns",
        aliases=(
            "timestamp",
            "occurred_at",
            "request_time",
            "start_time",
            "created_at",
            "created",
            "datetime",
        ),
    ),
    Field(
        name="provider",
        takes="a metered provider's name, such as openai",
        aliases=("provider.name", "provider_name"),
    ),
    Field(
        name="model",
        takes="a model's name of at most 160 characters",
        aliases=("request.model", "request_model", "model_name", "model_id", "model_used"),
    ),
    Field(
        name="response_model",
        takes="the name of the model that answered, at most 160 characters",
        aliases=("response.model", "snapshot_id"),
    ),
    Field(
        name="input_tokens",
        takes=f"{COUNT}: all input tokens, cached ones included",
        aliases=(
            "prompt_tokens",
            "context_tokens",
            "n_context_tokens_total",
            "num_prefill_tokens",
            "tokens_input",
            "tokens_in",
            "prompt_token_count",
        ),
    ),
    Field(
        name="cached_input_tokens",
        takes=f"{COUNT}: the part of input_tokens read from the cache",
        aliases=(
            "cached_tokens",
            "cache_read.input_tokens",
            "input_cached_tokens",
            "prompt_tokens_details.cached_tokens",
            "input_tokens_details.cached_tokens",
            "cached_content_token_count",
        ),
    ),
    Field(
        name="cache_write_tokens",
        takes=f"{COUNT}: the part of input_tokens written to the cache",
        aliases=("cache_creation.input_tokens",),
    ),
    Field(
        name="output_tokens",
        takes=f"{COUNT}: all output tokens, reasoning included",
        aliases=(
            "completion_tokens",
            "generated_tokens",
            "n_generated_tokens_total",
            "num_decode_tokens",
            "tokens_output",
            "tokens_out",
        ),
    ),
    Field(
        name="reasoning_tokens",
        takes=f"{COUNT}: the part of output_tokens spent on reasoning",
        aliases=(
            "reasoning.output_tokens",
            "completion_tokens_details.reasoning_tokens",
            "output_tokens_details.reasoning_tokens",
        ),
    ),
    Field(name="requests", takes=COUNT, aliases=("n_requests", "num_requests", "num_model_requests")),
    Field(name="searches", takes=COUNT, aliases=("num_searches",)),
    Field(name="images", takes=COUNT, aliases=("num_images",)),
    Field(name="pages", takes=COUNT, aliases=("num_pages",)),
    Field(name="seconds", takes="a decimal number with at most three places"),
    Field(name="characters", takes=COUNT, aliases=("num_characters",)),
    Field(
        name="cost",
        takes="US dollars the provider itself reported, which then go before our price: a decimal number",
        by_map_only=True,
    ),
    Field(name="endpoint", takes="text of at most 200 characters"),
    Field(name="method", takes="text of at most 16 characters", aliases=("http_method",)),
    Field(name="request_type", takes=SHORT_TEXT, aliases=("operation.name", "operation")),
    Field(name="status_code", takes="an HTTP status, 100 to 599", aliases=("http_status",)),
    Field(name="response_time", takes="seconds, a decimal number", aliases=("response_time_s", "latency_s")),
    Field(name="request_size", takes=f"{COUNT} of bytes"),
    Field(name="response_size", takes=f"{COUNT} of bytes"),
    Field(name="retry_count", takes="a whole number, at most 32 000", aliases=("retries",)),
    Field(name="error_message", takes="text of at most 1000 characters"),
    Field(name="end_user", takes=TEXT),
    Field(name="team", takes=TEXT, aliases=("team_name",)),
    Field(name="project", takes=TEXT, aliases=("project_name",)),
    Field(name="department", takes=TEXT, aliases=("department_name",)),
)
KNOWN = {field.name: field for field in FIELDS}


@dataclass(frozen=True, slots=True)
class Columns:
    """How rows of one shape are read: the position of the column of each field, and the columns not read."""

    positions: Mapping[str, int]
    unread: tuple[str, ...]


def parse_overrides(assignments: Iterable[str]) -> dict[str, str]:
    """Read `column=field` assignments; `column=` leaves the column out.

    Raises InvalidRequest naming what is wrong: no "=", an unknown field, a column or a field given twice.
    """
    overrides: dict[str, str] = {}
    for assignment in assignments:
        column, equals, field = assignment.rpartition("=")
        if not equals or not column:
            raise InvalidRequest(f"--map takes column=field, not {assignment!r}.")
        if field != IGNORED and field not in KNOWN:
            raise InvalidRequest(f"--map: there is no field {field!r}; the fields are {', '.join(KNOWN)}.")
        if column in overrides:
            raise InvalidRequest(f"--map names the column {column!r} twice.")
        if field != IGNORED and field in overrides.values():
            raise InvalidRequest(f"--map gives the field {field} to more than one column.")
        overrides[column] = field
    return overrides


def understand(names: Sequence[str], overrides: Mapping[str, str]) -> Columns:
    """Find the field of each column in `names`: what `overrides` say first, then the best of the known names.

    Raises InvalidRequest when a column that is read, or two that mean the same, appear twice.
    """
    best: dict[str, tuple[int, int]] = {}
    for position, name in enumerate(names):
        field, rank = _meaning(name, overrides)
        if field == IGNORED:
            continue
        previous = best.get(field)
        if previous is not None and previous[0] == rank:
            raise InvalidRequest(
                f"The columns {names[previous[1]]!r} and {name!r} both mean {field}: "
                f"choose one with --map {name}={field}, or leave one out with --map {name}="
            )
        if previous is None or rank < previous[0]:
            best[field] = (rank, position)
    positions = {field: position for field, (_, position) in best.items()}
    read = set(positions.values())
    return Columns(positions, tuple(name for position, name in enumerate(names) if position not in read))


def _meaning(name: str, overrides: Mapping[str, str]) -> tuple[str, int]:
    """The field a column means, and how sure that is: 0 when it was said, then by the order of aliases."""
    if name in overrides:
        return overrides[name], 0
    return _MEANINGS.get(_plain(name), (IGNORED, 0))


def _plain(name: str) -> str:
    lowered = name.strip().lower()
    while group := next((group for group in GROUPS if lowered.startswith(group)), ""):
        lowered = lowered.removeprefix(group)
    return PUNCTUATION.sub("", lowered)


_MEANINGS = {
    _plain(alias): (field.name, rank)
    for field in FIELDS
    for rank, alias in enumerate([*([] if field.by_map_only else [field.name]), *field.aliases], start=1)
}
