"""Synthetic answers in each provider's form, and finding the refusal again."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import msgspec
import pytest

from usage.core.errors import EnforcementUnavailable, PricingException, UsageLimitExceededException
from usage.metering.refusals import MAX_CHAIN, answer_to, find_refusal
from usage.operations import LimitStanding
from usage.providers import PROVIDERS, Provider

NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
MESSAGE = "The limit of 10 calls a minute is reached."


def a_refusal(**details: Any) -> UsageLimitExceededException:
    return UsageLimitExceededException(MESSAGE, details=details)


def told(provider: str, refusal: Any) -> Any:
    return json.loads(answer_to(refusal, provider=PROVIDERS[provider], at=NOW).body)


def a_standing(name: str = "calls a minute", **fields: Any) -> LimitStanding:
    standing = LimitStanding(
        name=name,
        measure="calls",
        scope="everything",
        window="minute",
        mode="block",
        source="plan",
        limit="10",
        used="9",
        held="1",
        requested="1",
        remaining="0",
        resets_at=NOW + timedelta(seconds=20, milliseconds=100),
        refused=True,
    )
    return msgspec.structs.replace(standing, **fields)


@pytest.mark.parametrize("provider", ["openai", "mistral", "huggingface"])
def test_the_openai_family_reads_message_type_and_code(provider: str) -> None:
    assert told(provider, a_refusal()) == {
        "error": {"message": MESSAGE, "type": "rate_limit_error", "param": None, "code": "limit_exceeded"}
    }


def test_anthropic_reads_its_own_types() -> None:
    payment = UsageLimitExceededException(MESSAGE, status=402, details={}, hint="Upgrade to Pro.")

    assert told("anthropic", a_refusal()) == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": MESSAGE},
    }
    assert told("anthropic", payment)["error"] == {
        "type": "billing_error",
        "message": f"{MESSAGE} Upgrade to Pro.",
    }


def test_gemini_reads_googles_statuses() -> None:
    assert told("gemini", EnforcementUnavailable("Try again shortly.")) == {
        "error": {"code": 503, "message": "Try again shortly.", "status": "UNAVAILABLE"}
    }
    assert told("gemini", PricingException("No price."))["error"]["status"] == "INVALID_ARGUMENT"


def test_the_others_read_a_message_where_their_clients_look() -> None:
    assert told("tavily", a_refusal())["detail"]["error"] == MESSAGE
    assert told("stability", a_refusal())["errors"] == [MESSAGE]
    for provider in ("metaphor", "firecrawl", "serper"):
        assert (told(provider, a_refusal())["error"], told(provider, a_refusal())["message"]) == (
            MESSAGE,
        ) * 2


def test_a_provider_we_have_no_form_for_is_taken_for_its_kind() -> None:
    newcomer = Provider(key="newcomer", name="Newcomer", kind="llm", hosts=())
    body = json.loads(answer_to(a_refusal(), provider=newcomer).body)

    assert body["error"]["code"] == "limit_exceeded"


@pytest.mark.parametrize("form", [lambda one: one, msgspec.to_builtins], ids=["structs", "plain data"])
@pytest.mark.parametrize("nested", [True, False])
def test_the_limits_of_the_decision_are_told_in_the_headers(form: Any, nested: bool) -> None:
    limits = [form(a_standing()), form(a_standing("cost", measure="cost", limit="2.50"))]
    details = {"decision": {"limits": limits}} if nested else {"limits": limits}
    refusal = a_refusal(retry_after=21, **details)
    headers = answer_to(refusal, provider=PROVIDERS["openai"], at=NOW).headers

    assert headers["RateLimit-Policy"] == '"calls a minute";q=10;w=60'
    assert headers["RateLimit"] == '"calls a minute";r=0;t=21'
    assert headers["Retry-After"] == "21"
    assert headers["x-should-retry"] == "false"


def test_a_limit_without_an_end_is_not_told_as_one() -> None:
    refusal = a_refusal(limits=[a_standing(limit=None, remaining=None)])
    headers = answer_to(refusal, provider=PROVIDERS["openai"], at=NOW).headers

    assert "RateLimit" not in headers


def test_details_of_another_form_cost_only_the_headers() -> None:
    headers = answer_to(a_refusal(limits=[{"name": 1}]), provider=PROVIDERS["openai"], at=NOW).headers

    assert "RateLimit" not in headers


class SdkError(Exception):
    """What a provider's library raises: it keeps the answer."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__("429")
        self.response = response


def raised_from(error: Exception, *, times: int) -> Exception:
    for _ in range(times):
        wrapped = RuntimeError("wrapped")
        wrapped.__cause__ = error
        error = wrapped
    return error


def test_a_refusal_is_found_itself_behind_causes_and_on_an_answer() -> None:
    refusal = a_refusal()
    answer = httpx2.Response(429, extensions={"refusal": refusal})

    assert find_refusal(refusal) is refusal
    assert find_refusal(raised_from(refusal, times=3)) is refusal
    assert find_refusal(raised_from(SdkError(answer), times=2)) is refusal


def test_a_refusal_is_found_behind_an_error_raised_while_handling_it() -> None:
    refusal = a_refusal()
    later = KeyError("cleanup")
    later.__context__ = refusal

    assert find_refusal(later) is refusal


def test_other_errors_and_endless_chains_hold_no_refusal() -> None:
    one, other = KeyError("a"), KeyError("b")
    one.__context__, other.__context__ = other, one

    assert find_refusal(SdkError(httpx2.Response(429))) is None
    assert find_refusal(one) is None
    assert find_refusal(raised_from(a_refusal(), times=MAX_CHAIN)) is None
