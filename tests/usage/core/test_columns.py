"""Which column means which field."""

import pytest

from usage.core.columns import FIELDS, parse_overrides, understand
from usage.core.errors import InvalidRequest


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("TIMESTAMP", "time"),
        ("created_at", "time"),
        ("ContextTokens", "input_tokens"),
        ("usage.prompt_tokens", "input_tokens"),
        ("n_context_tokens_total", "input_tokens"),
        ("Generated Tokens", "output_tokens"),
        ("data.gen_ai.usage.output_tokens", "output_tokens"),
        ("gen_ai.usage.cache_read.input_tokens", "cached_input_tokens"),
        ("gen_ai.request.model", "model"),
        ("data.tags.team", "team"),
        ("data.units.searches", "searches"),
    ],
)
def test_common_names_are_understood(column: str, field: str) -> None:
    assert understand([column], {}).positions == {field: 0}


@pytest.mark.parametrize("column", ["id", "cost", "cache_read_input_tokens", "total_tokens", "weather"])
def test_names_that_may_mean_something_else_are_not_guessed(column: str) -> None:
    assert understand([column], {}).unread == (column,)


@pytest.mark.parametrize("field", [field.name for field in FIELDS])
def test_every_field_can_be_mapped(field: str) -> None:
    assert understand(["x"], parse_overrides([f"x={field}"])).positions == {field: 0}


def test_of_two_known_names_the_better_one_is_read() -> None:
    columns = understand(["created_at", "timestamp"], {})

    assert columns.positions == {"time": 1}
    assert columns.unread == ("created_at",)


def test_what_was_said_goes_before_known_names() -> None:
    columns = understand(["timestamp", "finished"], {"finished": "time"})

    assert columns.positions == {"time": 1}


def test_a_column_can_be_left_out() -> None:
    assert understand(["model"], parse_overrides(["model="])).unread == ("model",)


def test_two_columns_that_mean_the_same_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="'Input Tokens' and 'input_tokens' both mean input_tokens"):
        understand(["Input Tokens", "input_tokens"], {})


def test_a_column_name_may_contain_the_equals_sign() -> None:
    assert parse_overrides(["a=b=time"]) == {"a=b": "time"}


@pytest.mark.parametrize(
    ("assignments", "complaint"),
    [
        (["time"], "takes column=field"),
        (["=time"], "takes column=field"),
        (["when=hour"], "no field 'hour'; the fields are id, time, provider"),
        (["when=time", "when=id"], "the column 'when' twice"),
        (["when=time", "at=time"], "the field time to more than one column"),
    ],
)
def test_a_wrong_assignment_is_refused(assignments: list[str], complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        parse_overrides(assignments)
