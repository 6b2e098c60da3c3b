"""Every credential against every account: its own, a stranger's, and one that does not exist."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.test import RequestFactory
from pytest_django import DjangoAssertNumQueries, Settings

from tests.support.cast import NOW, TESTS, a_member, a_user, an_account
from tests.support.credentials import AUDIENCE, ISSUER, a_key, a_token, an_identity_provider, some_claims
from usage import keys
from usage.access import account_for, carries_credential, principal_of, require, speaks_for_us
from usage.core.errors import AccessDenied, BillingError, InvalidRequest, NotAuthenticated
from usage.models import Account, ApiKey, Member, Role, Scope

pytestmark = pytest.mark.django_db

EVERY_SCOPE = (Scope.INGEST, Scope.READ, Scope.ADMIN)


def a_request(
    *, user: User | None = None, method: str = "get", cookies: dict[str, str] | None = None, **headers: str
) -> HttpRequest:
    factory = RequestFactory(headers={name.replace("_", "-"): value for name, value in headers.items()})
    factory.cookies = SimpleCookie(cookies or {})
    request: HttpRequest = getattr(factory, method)("/")
    request.user = user or AnonymousUser()
    return request


def with_key(plain: str) -> HttpRequest:
    return a_request(x_api_key=plain)


def outcome(
    request: HttpRequest,
    *,
    external_id: str | None = None,
    scope: Scope = Scope.READ,
    staff_permission: str = "",
) -> str:
    """The external id of the account reached, or the code of the refusal."""
    try:
        principal = principal_of(request, at=NOW)
        return account_for(
            principal, external_id=external_id, scope=scope, staff_permission=staff_permission
        ).external_id
    except BillingError as refused:
        return refused.error_code


@dataclass(frozen=True, kw_only=True)
class World:
    """Two accounts and everyone who may ask for them."""

    acme: Account
    globex: Account

    def member(self, role: Role) -> HttpRequest:
        return a_request(user=a_member(self.acme, role=role))

    def user_without_account(self) -> HttpRequest:
        return a_request(user=a_user("mallory"))

    def staff(self) -> HttpRequest:
        return a_request(user=a_user("sam", is_staff=True))

    def staff_owner(self) -> HttpRequest:
        user = a_member(self.acme, role=Role.OWNER)
        user.is_staff = True
        user.save(update_fields=["is_staff"])
        return a_request(user=user)

    def key(self, *scopes: Scope) -> HttpRequest:
        return with_key(a_key(self.acme, scopes=scopes or EVERY_SCOPE).plain)

    def service_key(self, *scopes: Scope) -> HttpRequest:
        return with_key(a_key(None, scopes=scopes or EVERY_SCOPE).plain)


@pytest.fixture
def world() -> World:
    return World(acme=an_account("acme"), globex=an_account("globex"))


DENIED, UNKNOWN, UNNAMED = "access_denied", "not_found", "invalid_request"


# --- Whom each credential reaches ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credential", "none_named", "acme", "globex", "nowhere"),
    [
        pytest.param(lambda w: w.member(Role.OWNER), "acme", "acme", DENIED, DENIED, id="owner"),
        pytest.param(
            lambda w: w.member(Role.BILLING_ADMIN), "acme", "acme", DENIED, DENIED, id="billing admin"
        ),
        pytest.param(lambda w: w.member(Role.MEMBER), "acme", "acme", DENIED, DENIED, id="member"),
        pytest.param(lambda w: w.member(Role.VIEWER), "acme", "acme", DENIED, DENIED, id="viewer"),
        pytest.param(lambda w: w.user_without_account(), DENIED, DENIED, DENIED, DENIED, id="no member"),
        pytest.param(lambda w: w.staff(), UNNAMED, "acme", "globex", UNKNOWN, id="staff"),
        pytest.param(
            lambda w: w.staff_owner(), "acme", "acme", "globex", UNKNOWN, id="staff with an account"
        ),
        pytest.param(lambda w: w.key(), "acme", "acme", DENIED, DENIED, id="account's key"),
        pytest.param(lambda w: w.service_key(), UNNAMED, "acme", "globex", UNKNOWN, id="service key"),
    ],
)
def test_a_credential_reaches_its_accounts_and_no_others(
    world: World,
    credential: Callable[[World], HttpRequest],
    none_named: str,
    acme: str,
    globex: str,
    nowhere: str,
) -> None:
    request = credential(world)
    asked = (None, "acme", "globex", "nowhere")
    answers = tuple(outcome(request, external_id=external_id) for external_id in asked)
    assert answers == (none_named, acme, globex, nowhere)


@pytest.mark.parametrize(
    ("credential", "scopes_in_acme"),
    [
        pytest.param(lambda w: w.member(Role.OWNER), {"read", "admin"}, id="owner"),
        pytest.param(lambda w: w.member(Role.BILLING_ADMIN), {"read", "admin"}, id="billing admin"),
        pytest.param(lambda w: w.member(Role.MEMBER), {"read"}, id="member"),
        pytest.param(lambda w: w.member(Role.VIEWER), {"read"}, id="viewer"),
        pytest.param(lambda w: w.staff(), {"read"}, id="staff"),
        pytest.param(lambda w: w.staff_owner(), {"read", "admin"}, id="staff and owner"),
        pytest.param(lambda w: w.key(), {"ingest", "read", "admin"}, id="key with all scopes"),
        pytest.param(lambda w: w.key(Scope.READ), {"read"}, id="reading key"),
        pytest.param(lambda w: w.key(Scope.INGEST), {"ingest"}, id="ingesting key"),
        pytest.param(lambda w: w.service_key(Scope.INGEST), {"ingest"}, id="ingesting service key"),
    ],
)
def test_a_credential_may_do_what_its_scopes_or_role_say(
    world: World, credential: Callable[[World], HttpRequest], scopes_in_acme: set[str]
) -> None:
    request = credential(world)
    allowed = {scope for scope in EVERY_SCOPE if outcome(request, external_id="acme", scope=scope) == "acme"}
    assert allowed == scopes_in_acme


# --- What a Django permission opens to staff ----------------------------------------------------------

PERMISSION = "usage.change_account"


def permitted(user: User) -> HttpRequest:
    user.user_permissions.set(Permission.objects.filter(codename="change_account"))
    return a_request(user=User.objects.get(pk=user.pk))


@pytest.mark.parametrize(
    ("credential", "acme", "nowhere", "is_ours"),
    [
        pytest.param(
            lambda w: permitted(a_user("sam", is_staff=True)), "acme", UNKNOWN, True, id="staff with it"
        ),
        pytest.param(lambda w: w.staff(), DENIED, DENIED, False, id="staff without it"),
        pytest.param(lambda w: w.staff_owner(), "acme", UNKNOWN, False, id="staff who own the account"),
        pytest.param(lambda w: permitted(a_user("sam")), DENIED, DENIED, False, id="others who have it"),
        pytest.param(
            lambda w: permitted(a_member(w.acme, role=Role.VIEWER)), DENIED, DENIED, False, id="viewer"
        ),
        pytest.param(lambda w: w.key(), "acme", DENIED, False, id="account's key"),
        pytest.param(lambda w: w.service_key(), "acme", UNKNOWN, True, id="service key"),
        pytest.param(lambda w: w.service_key(Scope.READ), DENIED, DENIED, True, id="reading service key"),
    ],
)
def test_staff_change_any_account_with_the_permission_that_is_asked_for(
    world: World, credential: Callable[[World], HttpRequest], acme: str, nowhere: str, is_ours: bool
) -> None:
    request = credential(world)
    answers = tuple(
        outcome(request, external_id=name, scope=Scope.ADMIN, staff_permission=PERMISSION)
        for name in ("acme", "nowhere")
    )
    assert answers == (acme, nowhere)
    assert speaks_for_us(principal_of(request, at=NOW), permission=PERMISSION) is is_ours


def test_a_stranger_cannot_tell_an_account_from_none(world: World) -> None:
    principal = principal_of(world.key(), at=NOW)
    refusals = []
    for external_id in ("globex", "nowhere", "no\x00where"):
        with pytest.raises(AccessDenied) as refused:
            account_for(principal, external_id=external_id)
        refusals.append((refused.value.message, refused.value.details))
    assert refusals == [refusals[0]] * 3


def test_an_owner_elsewhere_changes_nothing_where_only_a_viewer(world: World) -> None:
    alice = a_member(world.acme, role=Role.OWNER)
    Member.objects.create(account=world.globex, user=alice, role=Role.VIEWER)
    request = a_request(user=alice)
    assert outcome(request, external_id="acme", scope=Scope.ADMIN) == "acme"
    assert outcome(request, external_id="globex", scope=Scope.READ) == "globex"
    assert outcome(request, external_id="globex", scope=Scope.ADMIN) == DENIED


def test_staff_change_nothing_in_an_account_they_do_not_belong_to(world: World) -> None:
    request = world.staff_owner()
    assert outcome(request, external_id="globex", scope=Scope.ADMIN) == DENIED


def test_with_several_memberships_the_oldest_is_ones_own(world: World) -> None:
    alice = a_member(world.globex, role=Role.VIEWER)
    Member.objects.create(
        account=world.acme, user=alice, role=Role.OWNER, created_at=NOW - timedelta(days=10_000)
    )
    assert outcome(a_request(user=alice)) == "acme"


def test_a_service_key_that_names_no_account_is_told_how(world: World) -> None:
    principal = principal_of(world.service_key(), at=NOW)
    with pytest.raises(InvalidRequest, match="customer or user_id"):
        account_for(principal)


def test_a_missing_scope_is_named(world: World) -> None:
    principal = principal_of(world.key(Scope.INGEST), at=NOW)
    with pytest.raises(AccessDenied, match="scope read") as refused:
        require(principal, Scope.READ)
    assert refused.value.details == {"required_scope": "read"}


# --- What counts as a credential --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(lambda plain: {"authorization": f"Bearer {plain}"}, id="Bearer"),
        pytest.param(lambda plain: {"authorization": f"bearer  {plain}"}, id="lower case, two spaces"),
        pytest.param(lambda plain: {"authorization": f"Api-Key {plain}"}, id="Api-Key"),
        pytest.param(lambda plain: {"x_api_key": plain}, id="X-API-Key"),
    ],
)
def test_a_key_is_taken_from_each_of_its_headers(
    world: World, header: Callable[[str], dict[str, Any]]
) -> None:
    issued = a_key(world.acme)
    assert outcome(a_request(**header(issued.plain))) == "acme"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"authorization": "Basic YWxpY2U6c2VjcmV0"}, id="Basic"),
        pytest.param({"authorization": "Bearer"}, id="no key after Bearer"),
        pytest.param({"authorization": ""}, id="empty header"),
        pytest.param({"x_api_key": ""}, id="empty key"),
        pytest.param({"x_api_key": "abcdefgh." + "x" * 32}, id="unknown key"),
        pytest.param({"authorization": "Bearer a.b.c"}, id="token where none is accepted"),
        pytest.param({"authorization": "Bearer " + "x" * 100_000}, id="long nonsense"),
    ],
)
def test_without_a_valid_credential_nobody_comes_in(headers: dict[str, Any]) -> None:
    assert outcome(a_request(**headers)) == "not_authenticated"


def test_a_good_key_beside_a_second_credential_is_refused(world: World) -> None:
    plain = a_key(world.acme).plain
    assert outcome(a_request(x_api_key=plain, authorization=f"Bearer {plain}")) == "not_authenticated"


def test_a_bad_key_is_refused_even_beside_a_good_session(world: World) -> None:
    alice = a_member(world.acme)
    assert outcome(a_request(user=alice, x_api_key="abcdefgh." + "x" * 32)) == "not_authenticated"


def test_a_revoked_key_is_refused_from_the_next_request_on(world: World) -> None:
    issued = a_key(world.acme)
    assert outcome(with_key(issued.plain)) == "acme"
    keys.revoke(issued.key, at=NOW, by=TESTS)
    assert outcome(with_key(issued.plain)) == "not_authenticated"


def test_an_expired_key_is_refused(world: World) -> None:
    issued = a_key(world.acme, expires_at=NOW + timedelta(hours=1))
    with pytest.raises(NotAuthenticated):
        principal_of(with_key(issued.plain), at=NOW + timedelta(hours=1))


def test_a_deleted_membership_ends_the_access_of_a_session(world: World) -> None:
    alice = a_member(world.acme)
    Member.objects.filter(user=alice).delete()
    assert outcome(a_request(user=alice), external_id="acme") == DENIED


def test_only_a_request_with_something_to_judge_carries_a_credential(world: World) -> None:
    assert not carries_credential(a_request())
    assert carries_credential(a_request(x_api_key=""))
    assert carries_credential(a_request(authorization="nonsense"))
    assert carries_credential(a_request(user=a_user()))


# --- Tokens ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "asked", "scope", "expected"),
    [
        ("acme", None, Scope.READ, "acme"),
        ("acme", "acme", Scope.READ, "acme"),
        ("acme", "globex", Scope.READ, DENIED),
        ("acme", "nowhere", Scope.READ, DENIED),
        ("acme", None, Scope.ADMIN, DENIED),
        ("acme", None, Scope.INGEST, DENIED),
        ("nowhere", None, Scope.READ, "not_authenticated"),
        ("no\x00where", None, Scope.READ, "not_authenticated"),
        ("", None, Scope.READ, "not_authenticated"),
    ],
)
def test_a_token_reads_the_account_it_names(
    world: World, settings: Settings, subject: str, asked: str | None, scope: Scope, expected: str
) -> None:
    with an_identity_provider() as provider:
        settings.JWT_JWKS_URL = provider.url
        settings.JWT_ISSUER = ISSUER
        settings.JWT_AUDIENCE = AUDIENCE
        request = a_request(authorization=f"Bearer {a_token(some_claims(subject))}")
        assert outcome(request, external_id=asked, scope=scope) == expected


# --- Sessions that change something need their CSRF token ------------------------------------------------


def test_a_session_may_not_change_anything_without_its_csrf_token(world: World) -> None:
    with pytest.raises(AccessDenied, match="X-CSRFToken") as refused:
        principal_of(a_request(user=a_member(world.acme), method="post"), at=NOW)
    assert refused.value.error_code == "csrf_failed"


def test_a_session_with_its_csrf_token_may(world: World) -> None:
    token = get_token(a_request())
    request = a_request(
        user=a_member(world.acme), method="post", cookies={"csrftoken": token}, x_csrftoken=token
    )
    assert outcome(request) == "acme"


def test_a_key_needs_no_csrf_token(world: World) -> None:
    assert outcome(a_request(method="post", x_api_key=a_key(world.acme).plain)) == "acme"


# --- What the check costs and leaves behind ----------------------------------------------------------------


def test_a_recently_used_key_reaches_its_account_in_one_query(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    request = world.key()
    outcome(request)
    with django_assert_num_queries(1):
        assert outcome(request, external_id="acme") == "acme"


def test_a_used_key_remembers_when(world: World) -> None:
    outcome(world.key())
    assert ApiKey.objects.get().last_used_at == NOW


def test_a_refused_key_was_not_used(world: World) -> None:
    issued = a_key(world.acme)
    outcome(with_key(issued.plain[:-3] + "???"))
    assert ApiKey.objects.get().last_used_at is None


@pytest.mark.parametrize("secret_part", [slice(9, None), slice(9, 25)])
def test_a_principal_never_shows_a_secret(world: World, secret_part: slice) -> None:
    plain = a_key(world.acme, name="prod").plain
    principal: Any = principal_of(with_key(plain), at=NOW)
    assert principal.name == f"key prod ({plain[:8]}…)"
    assert plain[secret_part] not in repr(principal)
