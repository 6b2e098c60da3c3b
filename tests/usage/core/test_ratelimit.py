"""The RateLimit fields, against the examples and the grammar of their specification."""

import pytest

from usage.core.ratelimit import MAX_INTEGER, MAX_LIMITS, RateLimit, headers


def a_limit(
    name: str = "burst",
    *,
    quota: int = 100,
    remaining: int = 50,
    window_s: int | None = 60,
    reset_s: int | None = 30,
) -> RateLimit:
    return RateLimit(name=name, quota=quota, remaining=remaining, window_s=window_s, reset_s=reset_s)


def test_a_limit_is_a_policy_and_what_is_left_of_it() -> None:
    fields = headers([a_limit()])

    assert fields == {"RateLimit-Policy": '"burst";q=100;w=60', "RateLimit": '"burst";r=50;t=30'}


def test_several_limits_are_members_of_one_list() -> None:
    daily = a_limit("daily", quota=1000, remaining=7, window_s=86400, reset_s=900)
    fields = headers([a_limit("burst"), daily])

    assert fields == {
        "RateLimit-Policy": '"burst";q=100;w=60, "daily";q=1000;w=86400',
        "RateLimit": '"burst";r=50;t=30, "daily";r=7;t=900',
    }


def test_no_limits_make_no_fields() -> None:
    assert headers([]) == {}


def test_a_limit_without_a_window_or_a_reset_says_neither() -> None:
    fields = headers([a_limit("at once", quota=5, remaining=5, window_s=None, reset_s=None)])

    assert fields == {"RateLimit-Policy": '"at once";q=5', "RateLimit": '"at once";r=5'}


@pytest.mark.parametrize(
    ("name", "string"),
    [('say "hi"', r'"say \"hi\""'), ("back\\slash", r'"back\\slash"'), ("Zürich\r\nX: 1", '"Z?rich??X: 1"')],
)
def test_a_name_can_break_out_of_its_string_by_no_character(name: str, string: str) -> None:
    assert headers([a_limit(name)])["RateLimit"] == f"{string};r=50;t=30"


def test_numbers_stay_within_what_an_integer_may_be() -> None:
    fields = headers([a_limit(quota=MAX_INTEGER + 1, remaining=-3, window_s=None, reset_s=None)])

    assert fields == {"RateLimit-Policy": f'"burst";q={MAX_INTEGER}', "RateLimit": '"burst";r=0'}


def test_of_too_many_limits_the_fullest_are_named() -> None:
    roomy = [a_limit(f"roomy {number}") for number in range(MAX_LIMITS)]
    fields = headers([*roomy, a_limit("full", remaining=0)])

    assert fields["RateLimit"].startswith('"full";r=0')
    assert fields["RateLimit"].count(";r=") == MAX_LIMITS
