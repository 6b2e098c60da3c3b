"""POST /api/subscription/subscribe/{user_id}"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.test import Client

from subscriptions import lifecycle, plans
from subscriptions.models import BillingProfile, SubscriptionChange, SubscriptionPlan, UserSubscription
from tests.support.authorizing import a_limit
from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.concurrency import at_once
from tests.support.credentials import a_key
from tests.support.paying import a_card
from tests.support.posting import Posted, look, post
from tests.support.subscribing import TESTS, a_plan, limit_amounts, subscribe
from usage.models import Account, Role, Scope

URL = "/api/subscription/subscribe/{}"
PRICES = (("small", "10"), ("medium", "30"), ("large", "50"))
EVERY_SCOPE = (Scope.INGEST, Scope.READ, Scope.ADMIN)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        yield a_card(an_account()).account


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme, scopes=EVERY_SCOPE).plain


@pytest.fixture
def service_key() -> str:
    return a_key(scopes=EVERY_SCOPE).plain


def choose(
    plan: SubscriptionPlan | int, *, cycle: str = "monthly", of: str = "acme", **options: Any
) -> Posted:
    plan_id = plan if isinstance(plan, int) else plan.pk
    return post(URL.format(of), {"plan_id": plan_id, "billing_cycle": cycle}, **options)


def staff(*permissions: str) -> User:
    user = a_user("sam", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return User.objects.get(pk=user.pk)


def kinds() -> list[str]:
    return list(SubscriptionChange.objects.order_by("id").values_list("kind", flat=True))


def test_the_answer_is_the_subscription_after_the_change(acme: Account, key: str) -> None:
    answer = choose(a_plan("team", a_limit(10, name="calls")), cycle="yearly", key=key)

    assert answer.status == 200
    assert answer.data == look("/api/subscription/user/acme/subscription", key=key).data
    assert (answer.data["plan"], answer.data["cycle"], answer.data["price"]) == ("Team", "yearly", 300)
    assert limit_amounts(acme)["calls"] == 10


def test_what_gives_more_is_had_at_once_and_what_gives_less_at_the_periods_end(key: str) -> None:
    small, large = a_plan("small", price="10"), a_plan("large", price="50")
    choose(small, key=key)

    assert choose(large, key=key).data["plan"] == "Large"
    lowered = choose(small, key=key).data
    assert (lowered["plan"], lowered["pending_change"]["plan"]) == ("Large", "Small")
    assert lowered["pending_change"]["takes_effect_at"] == lowered["period"]["end"]


def test_choosing_the_present_plan_withdraws_what_waits(key: str) -> None:
    small, large = a_plan("small", price="10"), a_plan("large", price="50")
    choose(large, key=key)
    choose(small, key=key)

    assert choose(large, key=key).data["pending_change"] is None


def test_what_has_ended_begins_again(key: str) -> None:
    plan = a_plan()
    lifecycle.cancel(subscribe(plan), at=NOW, by=TESTS, at_term_end=False)

    data = choose(plan, key=key).data

    assert (data["status"], data["ended_at"]) == ("active", None)


@pytest.mark.parametrize("idempotency_key", ["", "again"])
@pytest.mark.parametrize("price", ["10", "50"])
def test_a_repeated_request_changes_nothing_and_is_answered_alike(
    key: str, price: str, idempotency_key: str
) -> None:
    subscribe(a_plan("team", price="30"))
    wanted = a_plan("other", price=price)

    first, second = (choose(wanted, key=key, idempotency_key=idempotency_key) for _ in range(2))

    assert first.body == second.body
    assert len(kinds()) == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ended", [False, True])
def test_the_same_request_sent_twice_at_once_is_done_once(key: str, ended: bool) -> None:
    plan = a_plan()
    if ended:
        lifecycle.cancel(subscribe(plan), at=NOW, by=TESTS, at_term_end=False)
    before = len(kinds())

    answers = at_once(lambda _: choose(plan, key=key), times=4)

    assert [answer.status for answer in answers] == [200] * 4
    assert len(kinds()) == before + 1


class TestWhatIsSold:
    def test_a_plan_that_does_not_exist_is_named(self, key: str) -> None:
        answer = choose(987_654, key=key)

        assert (answer.status, answer.body["code"]) == (400, "plan_unknown")
        assert answer.body["detail"]["errors"][0]["pointer"] == "/plan_id"
        assert answer.error.startswith("/plan_id: ")

    @pytest.mark.parametrize("retired", [False, True])
    @pytest.mark.parametrize(
        "made",
        [
            lambda: a_plan("hidden", visibility="hidden"),
            lambda: a_plan("theirs", account=an_account("globex")),
            lambda: SubscriptionPlan.objects.create(key="draft", name="Draft", visibility="public"),
        ],
        ids=["hidden", "another customer's", "not published"],
    )
    def test_a_plan_customers_cannot_know_of_is_the_same_as_none(
        self, key: str, made: Callable[[], SubscriptionPlan], retired: bool
    ) -> None:
        secret = made()
        if retired:
            plans.retire(secret, at=NOW)

        refused, unknown = choose(secret, key=key), choose(987_654, key=key)

        assert refused.status == 400
        assert refused.body == unknown.body

    def test_a_plan_made_for_the_account_is_its_to_choose(self, acme: Account, key: str) -> None:
        custom = a_plan("custom", account=acme, visibility="hidden")

        assert choose(custom, key=key).data["plan"] == "Custom"

    def test_a_retired_plan_is_told_to_be_retired(self, key: str) -> None:
        plan = a_plan()
        plans.retire(plan, at=NOW)

        answer = choose(plan, key=key)

        assert (answer.status, answer.body["code"]) == (402, "plan_retired")

    def test_staff_and_service_keys_give_hidden_plans(self, service_key: str) -> None:
        assert choose(a_plan("first", visibility="hidden"), key=service_key).status == 200
        hidden = a_plan("second", visibility="hidden", price="50")
        assert choose(hidden, user=staff("change_usersubscription")).data["plan"] == "Second"

    def test_nobody_gives_a_plan_made_for_another_customer(self, service_key: str) -> None:
        answer = choose(a_plan(account=an_account("globex")), key=service_key)

        assert (answer.status, answer.body["code"]) == (402, "plan_not_for_sale")


class TestStates:
    def test_a_late_payment_has_to_come_first(self, key: str) -> None:
        lifecycle.payment_failed(subscribe(a_plan()), at=NOW, by=TESTS)

        answer = choose(a_plan("large", price="50"), key=key)

        assert (answer.status, answer.body["code"]) == (402, "payment_due")

    def test_a_paused_subscription_is_resumed_first(self, key: str) -> None:
        lifecycle.pause(subscribe(a_plan()), at=NOW, by=TESTS)

        answer = choose(a_plan("large", price="50"), key=key)

        assert (answer.status, answer.body["code"]) == (409, "subscription_state")
        assert answer.body["detail"]["state"] == "paused"


class TestPaying:
    def test_a_plan_that_costs_now_needs_a_card(self, key: str) -> None:
        BillingProfile.objects.all().delete()

        answer = choose(a_plan(), key=key)

        assert (answer.status, answer.body["code"]) == (402, "payment_method_required")
        assert "create-checkout-session" in answer.body["detail"]["hint"]
        assert not UserSubscription.objects.exists()

    @pytest.mark.parametrize("terms", [{"price": "0"}, {"trial_days": 14}], ids=["free", "trial"])
    def test_a_plan_that_costs_nothing_now_needs_none(self, key: str, terms: dict[str, Any]) -> None:
        BillingProfile.objects.all().delete()

        assert choose(a_plan(**terms), key=key).status == 200

    def test_an_upgrade_needs_a_card_and_what_gives_less_needs_none(self, key: str) -> None:
        small, medium, large = (a_plan(name, price=price) for name, price in PRICES)
        choose(medium, key=key)
        BillingProfile.objects.all().delete()

        assert [choose(plan, key=key).status for plan in (large, medium, small)] == [402, 200, 200]

    def test_staff_and_service_keys_need_none(self, service_key: str) -> None:
        BillingProfile.objects.all().delete()

        assert choose(a_plan(), key=service_key).status == 200

    def test_nobody_needs_one_where_no_cards_are_charged(self, key: str, settings: Any) -> None:
        settings.STRIPE_MODE = "off"
        BillingProfile.objects.all().delete()

        assert choose(a_plan(), key=key).status == 200


class TestWhoMay:
    @pytest.mark.parametrize("role", [Role.OWNER, Role.BILLING_ADMIN])
    def test_owners_and_billing_admins(self, acme: Account, role: Role) -> None:
        assert choose(a_plan(), user=a_member(acme, role=role)).status == 200

    @pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
    def test_not_members_and_viewers(self, acme: Account, role: Role) -> None:
        plan = a_plan()

        answer = choose(plan, user=a_member(acme, role=role))

        assert (answer.status, answer.body["code"]) == (403, "access_denied")
        assert not UserSubscription.objects.exists()

    def test_not_an_owner_of_another_account(self) -> None:
        plan = a_plan()
        mallory = a_member(an_account("globex"), username="mallory")

        existing, missing = (choose(plan, of=name, user=mallory) for name in ("acme", "nobody"))
        assert existing.status == missing.status == 403
        assert existing.body == missing.body

    def test_staff_with_the_permission_for_any_account(self) -> None:
        sam = staff("change_usersubscription")

        assert choose(a_plan(), user=sam).status == 200
        assert SubscriptionChange.objects.get().actor_user == sam
        assert choose(a_plan("large"), of="nobody", user=sam).status == 404

    @pytest.mark.parametrize("permissions", [(), ("view_usersubscription", "support_usersubscription")])
    def test_not_staff_without_it(self, permissions: tuple[str, ...]) -> None:
        assert choose(a_plan(), user=staff(*permissions)).status == 403

    def test_not_somebody_who_has_it_and_is_no_staff(self) -> None:
        user = a_user("former")
        user.user_permissions.set(Permission.objects.filter(codename="change_usersubscription"))

        assert choose(a_plan(), user=user).status == 403

    def test_staff_who_own_an_account_choose_for_it_as_customers_do(self, acme: Account) -> None:
        owner = a_member(acme)
        owner.is_staff = True
        owner.save(update_fields=["is_staff"])

        assert choose(a_plan("hidden", visibility="hidden"), user=owner).body["code"] == "plan_unknown"
        assert choose(a_plan("open"), user=owner).status == 200

    def test_a_service_key_for_any_account(self, service_key: str) -> None:
        assert choose(a_plan(), key=service_key).status == 200
        assert SubscriptionChange.objects.get().actor.startswith("key prod")

    @pytest.mark.parametrize("scopes", [(Scope.READ,), (Scope.INGEST, Scope.READ)])
    @pytest.mark.parametrize("is_service", [False, True])
    def test_not_a_key_without_the_scope(
        self, acme: Account, scopes: tuple[Scope, ...], is_service: bool
    ) -> None:
        answer = choose(a_plan(), key=a_key(None if is_service else acme, scopes=scopes).plain)

        assert (answer.status, answer.body["detail"]) == (403, {"required_scope": "admin"})

    def test_not_a_session_without_its_csrf_token(self, acme: Account) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(a_member(acme))

        answer = client.post(
            URL.format("acme"),
            {"plan_id": a_plan().pk, "billing_cycle": "monthly"},
            content_type="application/json",
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")

    def test_not_without_a_credential(self) -> None:
        assert choose(a_plan()).status == 401


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"billing_cycle": "monthly"}, "/plan_id"),
        ({"plan_id": "pro", "billing_cycle": "monthly"}, "/plan_id"),
        ({"plan_id": 0, "billing_cycle": "monthly"}, "/plan_id"),
        ({"plan_id": 2**63, "billing_cycle": "monthly"}, "/plan_id"),
        ({"plan_id": None, "billing_cycle": "monthly"}, "/plan_id"),
        ({"plan_id": 1}, "/billing_cycle"),
        ({"plan_id": 1, "billing_cycle": "weekly"}, "/billing_cycle"),
        ([], ""),
    ],
)
def test_a_wrong_request_is_told_where(key: str, body: Any, pointer: str) -> None:
    answer = post(URL.format("acme"), body, key=key)

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert answer.body["detail"]["errors"][0]["pointer"] == pointer


def test_the_slash_at_the_end_is_optional(key: str) -> None:
    body = {"plan_id": a_plan().pk, "billing_cycle": "monthly"}

    answers = [post(URL.format("acme") + end, body, key=key) for end in ("", "/")]

    assert [answer.status for answer in answers] == [200, 200]
