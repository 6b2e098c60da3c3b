"""GET /api/subscription/usage/{user_id}"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from alwrity_billing.api.usage_stats import usage_percentages, usage_status
from tests.support.alerting import an_alert
from tests.support.authorizing import a_limit, limit
from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.contract import ask
from tests.support.credentials import a_key
from tests.support.invoices import APRIL
from tests.support.subscribing import a_plan, subscribe
from tests.support.usage_rows import MARCH, a_period, a_summary
from usage.api.known_limits import LIMIT_NAMES
from usage.models import Account, LimitSource
from usage.providers import PROVIDERS
from usage.queries import Totals

STATS = "/api/subscription/usage/acme"
HOUR, MOMENT = timedelta(hours=1), timedelta(microseconds=1)


def told(account: Account, **query: str) -> list[str]:
    """The titles of the alerts in the account's statistics."""
    return [alert["title"] for alert in ask(STATS, key=a_key(account).plain, query=query).data["alerts"]]


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.mark.django_db
class TestUsage:
    def test_the_open_period_is_summed_over_its_providers(self) -> None:
        march = a_period(an_account())
        a_summary(march, calls=3, errors=1, input_tokens=1000, output_tokens=100, cost="0.0035")
        a_summary(march, provider="tavily", calls=1, cost="0.001", response_time_ms=3000, timed_calls=2)

        data = ask(STATS, user=a_member(march.account)).data
        assert data["billing_period"] == "2026-03"
        assert (data["total_calls"], data["total_tokens"], data["total_cost"]) == (4, 1100, 0.0045)
        assert (data["avg_response_time"], data["error_rate"]) == (1.5, 25.0)

    def test_every_provider_is_listed_with_or_without_usage(self) -> None:
        march = a_period(an_account())
        a_summary(march, calls=2, input_tokens=10, cost="0.5")

        breakdown = ask(STATS, user=a_member(march.account)).data["provider_breakdown"]
        assert breakdown.keys() == {*PROVIDERS, "exa"}
        assert breakdown["openai"] == {"calls": 2, "tokens": 10, "cost": 0.5}
        assert breakdown["gemini"] == {"calls": 0, "tokens": 0, "cost": 0}

    def test_metaphor_is_listed_under_both_names_and_counted_once(self) -> None:
        march = a_period(an_account())
        a_summary(march, provider="metaphor", calls=2, cost="0.006")

        data = ask(STATS, user=a_member(march.account)).data
        assert data["provider_breakdown"]["exa"] == data["provider_breakdown"]["metaphor"]
        assert (data["total_calls"], data["total_cost"]) == (2, 0.006)

    def test_a_provider_we_have_no_file_for_is_listed_once_used(self) -> None:
        march = a_period(an_account())
        a_summary(march, provider="in-house", cost="1")

        data = ask(STATS, user=a_member(march.account)).data
        assert data["provider_breakdown"]["in-house"]["cost"] == 1

    def test_an_earlier_period_is_found_by_the_month_it_starts_in(self) -> None:
        account = an_account()
        mid_january = datetime(2026, 1, 15, tzinfo=UTC)
        a_summary(a_period(account, start=mid_january, end=mid_january + timedelta(days=31)), calls=7)
        a_summary(a_period(account), calls=1)

        data = ask(STATS, user=a_member(account), query={"billing_period": "2026-01"}).data
        assert (data["billing_period"], data["total_calls"]) == ("2026-01", 7)

    def test_a_month_in_which_no_period_starts_is_all_zeros(self) -> None:
        data = ask(STATS, user=a_member(an_account()), query={"billing_period": "2025-12"}).data

        assert (data["billing_period"], data["total_calls"], data["total_cost"]) == ("2025-12", 0, 0)

    def test_an_account_without_usage_is_shown_the_current_month(self) -> None:
        data = ask(STATS, user=a_member(an_account())).data

        assert (data["billing_period"], data["total_calls"]) == ("2026-03", 0)
        assert data["last_updated"] == "2026-03-15T12:00:00Z"

    def test_it_was_last_updated_when_usage_was_last_recorded(self) -> None:
        march = a_period(an_account())
        a_summary(march, updated_at=MARCH + timedelta(hours=1))

        data = ask(STATS, user=a_member(march.account)).data
        assert data["last_updated"] == "2026-03-01T01:00:00Z"


@pytest.mark.django_db
class TestAlerts:
    def test_what_was_told_in_the_period_is_told_the_unread_first_then_the_newest(self) -> None:
        march = a_period(an_account())
        an_alert(march.account, "unread")
        an_alert(march.account, "read first", read_at=NOW + HOUR)
        an_alert(march.account, "read last", read_at=NOW)
        an_alert(march.account, "unread too")
        an_alert(an_account("globex"), "of others")

        assert told(march.account) == ["unread too", "unread", "read last", "read first"]

    def test_what_was_told_in_other_periods_is_left_out(self) -> None:
        march = a_period(an_account())
        for title, created_at in (
            ("before", MARCH - MOMENT), ("first", MARCH), ("last", APRIL - MOMENT), ("after", APRIL)
        ):  # fmt: skip
            an_alert(march.account, title, created_at=created_at)

        assert told(march.account) == ["last", "first"]

    def test_an_account_without_a_period_is_told_the_months(self) -> None:
        acme = an_account()
        an_alert(acme, "in February", created_at=MARCH - MOMENT)
        an_alert(acme, "in March")

        assert told(acme) == ["in March"]
        assert told(acme, billing_period="2026-02") == ["in February"]

    def test_twenty_are_told_at_most(self) -> None:
        acme = an_account()
        for number in range(21):
            an_alert(acme, str(number))

        assert told(acme) == [str(number) for number in range(20, 0, -1)]

    def test_an_alert_is_told_as_in_the_inbox(self) -> None:
        acme = an_account()
        an_alert(acme, provider="openai")
        alice = a_member(acme)

        told = ask(STATS, user=alice).data["alerts"]
        assert told == ask("/api/subscription/alerts/acme", user=alice).data["alerts"]


@pytest.mark.django_db
class TestPlanAndLimits:
    def test_an_account_without_a_plan_is_told_so(self) -> None:
        limits = ask(STATS, user=a_member(an_account())).data["limits"]

        assert (limits["plan_name"], limits["tier"], limits["features"]) == ("No plan", "free", [])

    def test_an_account_is_told_the_plan_it_is_subscribed_to(self) -> None:
        acme = an_account()
        subscribe(a_plan("team", features=["research"]), account=acme)

        limits = ask(STATS, user=a_member(acme)).data["limits"]

        assert (limits["plan_name"], limits["tier"], limits["features"]) == ("Team", "basic", ["research"])

    def test_every_limit_is_named_and_said_to_be_unlimited(self) -> None:
        limits = ask(STATS, user=a_member(an_account())).data["limits"]

        assert limits["limits"] == dict.fromkeys(LIMIT_NAMES, 0)
        assert limits["limit_states"] == dict.fromkeys(LIMIT_NAMES, "unlimited")

    def test_usage_without_limits_fills_nothing(self) -> None:
        march = a_period(an_account())
        a_summary(march, calls=1_000_000, cost="5000")

        data = ask(STATS, user=a_member(march.account)).data
        names = {f"{provider}_calls" for provider in (*PROVIDERS, "exa")}
        assert data["usage_percentages"] == dict.fromkeys({*names, "cost"}, 0)
        assert (data["usage_status"], data["alerts"]) == ("active", [])

    def test_limits_of_the_period_are_shown_by_their_names(self) -> None:
        march = a_period(an_account())
        limit(
            a_limit(40, scope="provider", value="openai", name="openai_calls"),
            a_limit(0, scope="provider", value="stability", name="stability_calls"),
            a_limit(None, scope="provider", value="gemini", name="gemini_calls"),
            a_limit(9, "images", name="image_credits"),
            a_limit(5, window="minute", name="mistral_calls"),
        )

        limits = ask(STATS, user=a_member(march.account)).data["limits"]
        shown = {
            name: (limits["limits"][name], limits["limit_states"][name])
            for name in ("openai_calls", "stability_calls", "gemini_calls", "image_credits", "mistral_calls")
        }
        assert shown == {
            "openai_calls": (40, "capped"),
            "stability_calls": (0, "none"),
            "gemini_calls": (0, "unlimited"),
            "image_credits": (9, "capped"),
            # That is a rate, of which a period knows nothing.
            "mistral_calls": (0, "unlimited"),
        }

    def test_of_limits_that_share_a_name_the_strictest_is_shown_and_filled(self) -> None:
        march = a_period(an_account())
        limit(a_limit("10", "cost", name="monthly_cost"))
        limit(a_limit("2", "cost", name="monthly_cost"), source=LimitSource.BUDGET)
        a_summary(march, cost="1.7")

        data = ask(STATS, user=a_member(march.account)).data
        assert data["limits"]["limits"]["monthly_cost"] == 2
        assert (data["usage_percentages"]["cost"], data["usage_status"]) == (85, "warning")

    def test_a_limit_of_metaphor_limits_exa(self) -> None:
        march = a_period(an_account())
        limit(a_limit(5, scope="provider", value="metaphor", name="metaphor_calls"))

        limits = ask(STATS, user=a_member(march.account)).data["limits"]["limits"]
        assert (limits["metaphor_calls"], limits["exa_calls"]) == (5, 5)


class TestStanding:
    def test_a_capped_limit_is_filled_by_the_calls_of_its_provider(self) -> None:
        billed = {"openai": Totals(calls=30, cost=Decimal("1.5")), "metaphor": Totals(calls=1)}
        limits = {"openai_calls": Decimal(40), "exa_calls": Decimal(4), "monthly_cost": Decimal(2)}

        percentages = usage_percentages(billed, limits=limits)
        assert percentages["openai_calls"] == Decimal(75)  # 30 of 40
        assert percentages["exa_calls"] == Decimal(25)  # 1 of 4
        assert percentages["cost"] == Decimal(75)  # 1.5 of 2 USD

    def test_a_limit_of_none_at_all_has_no_percentage(self) -> None:
        percentages = usage_percentages({"openai": Totals(calls=1)}, limits={"openai_calls": Decimal(0)})

        assert percentages["openai_calls"] == 0

    @pytest.mark.parametrize(
        ("fullest", "status"),
        [
            ("79.99", "active"),
            ("80", "warning"),
            ("99.99", "warning"),
            ("100", "limit_reached"),
            ("120", "limit_reached"),
        ],
    )
    def test_the_fullest_limit_decides_the_status(self, fullest: str, status: str) -> None:
        assert usage_status({"openai_calls": Decimal(fullest), "cost": Decimal(1)}) == status


@pytest.mark.django_db
class TestAccess:
    def test_a_stranger_is_refused_whether_the_account_exists_or_not(self) -> None:
        an_account("acme")
        mallory = a_member(an_account("globex"), username="mallory")

        existing = ask(STATS, user=mallory)
        missing = ask("/api/subscription/usage/nobody", user=mallory)
        assert existing.status == missing.status == 403
        assert existing.body == missing.body

    def test_staff_may_ask_for_any_account(self) -> None:
        an_account("acme")
        staff = a_user("staff", is_staff=True)

        assert ask(STATS, user=staff).status == 200
        assert ask("/api/subscription/usage/nobody", user=staff).status == 404

    def test_without_a_credential_nothing_is_shown(self) -> None:
        an_account("acme")

        assert ask(STATS).status == 401

    @pytest.mark.parametrize("wrong", ["2026", "2026-00", "2026-3", "1999-12", "２０２６-03"])
    def test_a_wrong_billing_period_is_named(self, wrong: str) -> None:
        answer = ask(STATS, user=a_member(an_account()), query={"billing_period": wrong})

        assert answer.status == 400
        assert answer.error == "billing_period: Write a month as YYYY-MM, such as 2026-03."

    def test_the_slash_at_the_end_is_optional(self) -> None:
        assert ask(f"{STATS}/", user=a_member(an_account())).status == 200

    def test_it_takes_a_bounded_number_of_statements(
        self, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        march = a_period(an_account())
        for provider in PROVIDERS:
            a_summary(march, provider=provider)
        key = a_key(march.account).plain

        # The period, its providers, when it was updated, alerts, limits, the subscription; the others verify
        # the key and note its use.
        with django_assert_max_num_queries(8):
            answer = ask(STATS, key=key)
        assert answer.data["total_calls"] == len(PROVIDERS)
