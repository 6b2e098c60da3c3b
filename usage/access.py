"""Who is asking, and how far they reach: the one permission layer of every endpoint and page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware

from usage import keys, tokens
from usage.core.errors import AccessDenied, InvalidRequest, NotAuthenticated, NotFound
from usage.models import Account, Member, Role, Scope

CHANGING_ROLES = frozenset({Role.OWNER, Role.BILLING_ADMIN})
READING = frozenset({Scope.READ})
CHANGING = frozenset({Scope.READ, Scope.ADMIN})
JWT_DOTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whoever a valid credential stands for.

    `name` is for logs and audit and never a secret. `scopes` is the most the credential may do anywhere;
    `account_for` narrows it to the role in one account. `accounts` maps the ids of the accounts it reaches
    to its role there, None meaning every account. `account` is its own one: the key's, the token's, or the
    oldest membership's.
    """

    name: str
    user: User | None
    api_key_id: str | None
    is_staff: bool
    scopes: frozenset[Scope]
    accounts: Mapping[int, Role] | None
    account: Account | None = None


def carries_credential(request: HttpRequest) -> bool:
    """Whether there is anything to judge: a key, a token or a session, valid or not."""
    headers = request.headers
    return "Authorization" in headers or "X-API-Key" in headers or request.user.is_authenticated


def principal_of(request: HttpRequest, *, at: datetime) -> Principal:
    """The principal of the key, token or session that `request` carries.

    A bad key or token is refused even beside a good session. Raises NotAuthenticated without a valid
    credential, AccessDenied when a session asks for a change without its CSRF token, and
    tokens.IdentityProviderUnavailable when a token cannot be judged.
    """
    credential = _header_credential(request)
    if credential is None:
        return _session_principal(request)
    if credential.count(".") == JWT_DOTS:
        return _token_principal(credential)
    return _key_principal(credential, at=at)


def require(principal: Principal, scope: Scope) -> None:
    """Return when `principal` may do `scope` at all; raises AccessDenied naming the missing scope."""
    if scope not in principal.scopes:
        raise AccessDenied(
            f"This credential lacks the scope {scope.value}: use one that has it.",
            details={"required_scope": scope.value},
        )


def speaks_for_us(principal: Principal, *, permission: str) -> bool:
    """Whether `principal` acts for the reseller and not for a customer: a service key, or staff who have the
    Django permission.
    """
    if principal.accounts is not None:
        return False
    return principal.user is None or principal.user.has_perm(permission)


def account_for(
    principal: Principal,
    *,
    external_id: str | None = None,
    scope: Scope = Scope.READ,
    staff_permission: str = "",
) -> Account:
    """The account called `external_id`, or the principal's own when None, if it may do `scope` there.

    Where `staff_permission` names a Django permission, staff who have it need no role in the account. Raises
    AccessDenied for an account beyond its reach, in the same words whether or not it exists; NotFound for an
    unknown one when it reaches all; InvalidRequest when it has no account of its own and names none.
    """
    user = principal.user
    permitted = bool(user and staff_permission) and speaks_for_us(principal, permission=staff_permission)
    if not permitted:
        require(principal, scope)
    account = _own_account(principal) if external_id is None else _named_account(principal, external_id)
    if scope is Scope.ADMIN and user is not None and not permitted:
        _require_changing_role(principal, account)
    return account


def role_in(principal: Principal, account: Account) -> Role | None:
    """Its role in the account; None where it has none, as staff who may look at any."""
    if principal.accounts is not None:
        return principal.accounts.get(account.pk)
    own = Member.objects.filter(user=principal.user, account=account)
    role = own.values_list("role", flat=True).first()
    return None if role is None else Role(role)


def _header_credential(request: HttpRequest) -> str | None:
    authorization = request.headers.get("Authorization")
    key = request.headers.get("X-API-Key")
    if authorization is None:
        return key
    if key is not None:
        raise NotAuthenticated("Send one credential: either the Authorization header or X-API-Key.")
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() not in ("bearer", "api-key"):
        raise NotAuthenticated("Authorization takes 'Bearer <key or token>' or 'Api-Key <key>'.")
    return credential.strip()


def _key_principal(plain: str, *, at: datetime) -> Principal:
    key = keys.verify(plain, at=at)
    if key is None:
        raise NotAuthenticated("The API key is not valid: unknown, revoked or expired.")
    keys.mark_used(key, at=at)
    return Principal(
        name=f"key {key}",
        user=None,
        api_key_id=key.pk,
        is_staff=False,
        scopes=frozenset(Scope(scope) for scope in key.scopes),
        # What a key may do is the matter of its scopes alone, so it holds the widest role.
        accounts=None if key.account is None else {key.account.pk: Role.OWNER},
        account=key.account,
    )


def _token_principal(token: str) -> Principal:
    account = _account_named(tokens.subject_of(token))
    if account is None:
        raise NotAuthenticated("The token's subject is not an account here.")
    return Principal(
        name=f"token of {account.external_id}",
        user=None,
        api_key_id=None,
        is_staff=False,
        scopes=READING,
        accounts={account.pk: Role.VIEWER},
        account=account,
    )


def _session_principal(request: HttpRequest) -> Principal:
    user = request.user
    if not isinstance(user, User) or not user.is_authenticated:
        raise NotAuthenticated("Log in, or send an API key or a token in the Authorization header.")
    _require_csrf_token(request)
    memberships = list(
        Member.objects.filter(user=user).select_related("account").order_by("created_at", "id")
    )
    roles = {member.account_id: Role(member.role) for member in memberships}
    return Principal(
        name=user.get_username(),
        user=user,
        api_key_id=None,
        is_staff=user.is_staff,
        scopes=CHANGING if CHANGING_ROLES & set(roles.values()) else READING,
        accounts=None if user.is_staff else roles,
        account=memberships[0].account if memberships else None,
    )


def _require_csrf_token(request: HttpRequest) -> None:
    """Refuse a change that a foreign page may have sent with the session's cookie.

    Views that also take keys are exempt from Django's own check, so it is done here; where that already
    ran, it is not run twice.
    """

    check = CsrfCheck(_never_called)
    check.process_request(request)
    check.process_view(request, _never_called, (), {})


class CsrfCheck(CsrfViewMiddleware):
    """Django's own check, raising our refusal instead of rendering a page."""

    def _reject(self, request: HttpRequest, reason: str) -> NoReturn:
        raise AccessDenied(
            f"The change was refused: {reason} Send the csrftoken cookie's value in X-CSRFToken.",
            code="csrf_failed",
        )


def _never_called(request: HttpRequest) -> NoReturn:
    raise AssertionError("the check only looks at how a view is marked")


def _own_account(principal: Principal) -> Account:
    if principal.account is not None:
        return principal.account
    if principal.accounts is None:
        raise InvalidRequest("This credential reaches every account: say which one in customer or user_id.")
    raise AccessDenied("You are not a member of any account: ask an owner to add you.")


def _named_account(principal: Principal, external_id: str) -> Account:
    if principal.account is not None and principal.account.external_id == external_id:
        return principal.account
    account = _account_named(external_id)
    if principal.accounts is None:
        if account is None:
            raise NotFound(f"There is no account {external_id!r}.")
        return account
    if account is None or account.pk not in principal.accounts:
        raise AccessDenied("This credential does not reach the account asked for.")
    return account


def _account_named(external_id: str) -> Account | None:
    # PostgreSQL's text holds no NUL, which an URL may well contain.
    if "\x00" in external_id:
        return None
    return Account.objects.filter(external_id=external_id).first()


def _require_changing_role(principal: Principal, account: Account) -> None:
    if role_in(principal, account) not in CHANGING_ROLES:
        raise AccessDenied("Only an owner or a billing admin of this account may change it.")
