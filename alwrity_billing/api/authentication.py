"""DRF's view of `usage.access`: request.auth is the Principal, request.user its user or a stand-in."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from usage import access
from usage.access import Principal

if TYPE_CHECKING:
    # Imports rest_framework.views, which imports this module through the settings.
    from drf_spectacular.openapi import AutoSchema

CHALLENGE = 'Bearer realm="api"'


@dataclass(frozen=True, slots=True)
class Machine:
    """Stands in for the user of a key or a token: authenticated, yet nobody in the user table."""

    username: str
    pk: None = None
    is_authenticated: bool = True
    is_anonymous: bool = False
    is_active: bool = True
    is_staff: bool = False


class PrincipalAuthentication(BaseAuthentication):
    """Key, token or session by the rules of `usage.access`; without any, the view's permissions decide."""

    def authenticate(self, request: Request) -> tuple[User | Machine, Principal] | None:
        if not access.carries_credential(request._request):
            return None
        principal = access.principal_of(request._request, at=timezone.now())
        return principal.user or Machine(principal.name), principal

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The three credentials in the OpenAPI schema; any one of them is enough."""

    target_class = PrincipalAuthentication
    name = ["apiKey", "bearer", "session"]

    def get_security_requirement(self, auto_schema: "AutoSchema") -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: "AutoSchema") -> list[dict[str, Any]]:
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, or a JWT of the configured identity provider.",
            },
            {
                "type": "apiKey",
                "in": "cookie",
                "name": settings.SESSION_COOKIE_NAME,
                "description": "A login session; changes also need the CSRF token in X-CSRFToken.",
            },
        ]
