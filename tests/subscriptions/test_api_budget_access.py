"""Who may change, pause and resume a budget over HTTP."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission

from subscriptions.models import BudgetChange
from tests.support.cast import a_member, a_user, an_account
from tests.support.credentials import a_key
from tests.support.posting import post
from usage.models import Account, Role, Scope

UPDATE, PAUSE, RESUME = (f"/api/billing/budget/{verb}" for verb in ("update", "pause", "resume"))
BODIES = [
    (UPDATE, {"budget_management": {"monthly_budget": 5}}),
    (PAUSE, {"reason": "Why not."}),
    (RESUME, None),
]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Account:
    return an_account()


@pytest.mark.parametrize(("address", "body"), BODIES)
@pytest.mark.parametrize(
    ("role", "may"),
    [(Role.OWNER, True), (Role.BILLING_ADMIN, True), (Role.MEMBER, False), (Role.VIEWER, False)],
)
def test_owners_and_billing_admins_may_change_it(
    acme: Account, address: str, body: Any, role: Role, may: bool
) -> None:
    answer = post(address, body, user=a_member(acme, role=role))

    assert (answer.status != 403) is may
    assert BudgetChange.objects.exists() is (may and address != RESUME)


@pytest.mark.parametrize(("address", "body"), BODIES)
def test_nobody_else_may(acme: Account, address: str, body: Any) -> None:
    mallory = a_member(an_account("globex"), username="mallory")

    existing, missing = (post(f"{address}?user_id={name}", body, user=mallory) for name in ("acme", "nobody"))
    assert existing.status == missing.status == 403
    assert existing.body == missing.body
    assert post(address, body, key=a_key(acme).plain).status == 403
    assert post(address, body, key=a_key(acme, scopes=(Scope.INGEST,)).plain).status == 403
    assert post(address, body).status == 401
    assert not BudgetChange.objects.exists()


@pytest.mark.parametrize(("permitted", "status"), [(True, 200), (False, 403)])
def test_staff_need_the_permission(permitted: bool, status: int) -> None:
    staff = a_user("sam", is_staff=True)
    if permitted:
        staff.user_permissions.add(Permission.objects.get(codename="change_budget"))

    answer = post(f"{UPDATE}?user_id=acme", {"budget_management": {"monthly_budget": 5}}, user=staff)

    assert answer.status == status
    assert list(BudgetChange.objects.values_list("actor", "actor_user")) == (
        [("sam", staff.pk)] if permitted else []
    )
