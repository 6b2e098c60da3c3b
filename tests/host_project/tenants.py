"""Who asks; other hosts have logins for this."""

from collections.abc import Callable
from dataclasses import dataclass

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """The header `X-Tenant` says all of it: customer/person/team."""

    customer: str
    person: str
    team: str


def tenant_of(request: HttpRequest) -> Tenant | None:
    customer, _, rest = request.headers.get("X-Tenant", "").partition("/")
    person, _, team = rest.partition("/")
    return Tenant(customer=customer, person=person, team=team) if customer else None


@sync_and_async_middleware
def TenantMiddleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> object:
    if not iscoroutinefunction(get_response):

        def middleware(request: HttpRequest) -> HttpResponseBase:
            request.tenant = tenant_of(request)  # type: ignore[attr-defined]
            return get_response(request)

        return middleware

    async def middleware_async(request: HttpRequest) -> HttpResponseBase:
        request.tenant = tenant_of(request)  # type: ignore[attr-defined]
        return await get_response(request)

    return middleware_async
