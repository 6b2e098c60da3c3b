"""DRF views behind the permission layer, over HTTP."""

from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from pytest_django import Settings
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tests.support.cast import a_member, an_account
from tests.support.credentials import AUDIENCE, ISSUER, a_key, a_token, an_identity_provider
from usage.access import Principal, account_for
from usage.models import ApiKey, Scope

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class WhoAmI(APIView):
    def get(self, request: Request) -> Response:
        principal = cast(Principal, request.auth)
        account = account_for(principal, external_id=request.query_params.get("account"))
        return Response({"account": account.external_id, "as": principal.name})

    def post(self, request: Request) -> Response:
        account = account_for(cast(Principal, request.auth), scope=Scope.ADMIN)
        return Response({"account": account.external_id})


class Open(APIView):
    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        return Response({"known": request.auth is not None})


urlpatterns = [path("api/whoami", WhoAmI.as_view()), path("api/open", Open.as_view())]


def logged_in(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def test_a_key_comes_in_as_its_account(client: Client) -> None:
    issued = a_key(an_account("acme"), name="prod")
    answer = client.get("/api/whoami", headers={"authorization": f"Bearer {issued.plain}"})
    assert answer.json() == {"account": "acme", "as": f"key prod ({issued.key.prefix}…)"}


def test_a_session_comes_in_as_its_member() -> None:
    answer = logged_in(a_member(an_account("acme"))).get("/api/whoami")
    assert answer.json() == {"account": "acme", "as": "alice"}


def test_a_token_comes_in_as_its_subject(client: Client, settings: Settings) -> None:
    an_account("acme")
    with an_identity_provider() as provider:
        settings.JWT_JWKS_URL, settings.JWT_ISSUER, settings.JWT_AUDIENCE = provider.url, ISSUER, AUDIENCE
        answer = client.get("/api/whoami", headers={"authorization": f"Bearer {a_token()}"})
    assert answer.json() == {"account": "acme", "as": "token of acme"}


def test_while_the_identity_provider_is_down_tokens_are_told_to_wait(
    client: Client, settings: Settings
) -> None:
    with an_identity_provider() as stopped:
        settings.JWT_JWKS_URL, settings.JWT_ISSUER, settings.JWT_AUDIENCE = stopped.url, ISSUER, AUDIENCE
    answer = client.get("/api/whoami", headers={"authorization": f"Bearer {a_token()}"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert answer.json()["code"] == "identity_provider_unavailable"


def test_nobody_is_challenged_with_401(client: Client) -> None:
    answer = client.get("/api/whoami")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
    assert answer.json()["code"] == "not_authenticated"


def test_a_revoked_key_is_401_even_beside_a_session() -> None:
    acme = an_account("acme")
    issued = a_key(acme)
    ApiKey.objects.update(revoked=True)
    client = logged_in(a_member(acme))
    answer = client.get("/api/whoami", headers={"x-api-key": issued.plain})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="api"')


def test_a_strangers_account_is_403(client: Client) -> None:
    an_account("globex")
    headers = {"x-api-key": a_key(an_account("acme")).plain}
    answers = [client.get(f"/api/whoami?account={name}", headers=headers) for name in ("globex", "nowhere")]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].content == answers[1].content


def test_an_open_view_takes_anyone_but_no_bad_key(client: Client) -> None:
    assert client.get("/api/open").json() == {"known": False}
    assert client.get("/api/open", headers={"x-api-key": "wrong"}).status_code == 401


def test_a_session_changes_things_only_with_its_csrf_token() -> None:
    client = logged_in(a_member(an_account("acme")), enforce_csrf_checks=True)
    refused = client.post("/api/whoami")
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    client.cookies["csrftoken"] = "a" * 32
    allowed = client.post("/api/whoami", headers={"x-csrftoken": "a" * 32})
    assert allowed.json() == {"account": "acme"}


def test_the_schema_names_the_three_credentials_as_alternatives() -> None:
    generator: Any = SchemaGenerator(patterns=urlpatterns)  # type: ignore[no-untyped-call]
    schema = generator.get_schema(public=True)
    assert schema["paths"]["/api/whoami"]["post"]["security"] == [
        {"apiKey": []},
        {"bearer": []},
        {"session": []},
    ]
    assert set(schema["components"]["securitySchemes"]) == {"apiKey", "bearer", "session"}
