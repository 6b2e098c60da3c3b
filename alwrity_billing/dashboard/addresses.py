"""Links that stay in the account one has chosen: template tags, and their like for views."""

from collections.abc import Mapping
from urllib.parse import urlencode

from django import template
from django.http import HttpRequest
from django.urls import reverse

register = template.Library()


def page_url(request: HttpRequest, name: str, *captured: object, **query: object) -> str:
    """The address of the page called `name`, with the `account` that `request` names, and with `query`."""
    account = request.GET.get("account")
    asked = {**({"account": account} if account else {}), **query}
    return reverse(name, args=captured) + (f"?{urlencode(asked)}" if asked else "")


@register.simple_tag(takes_context=True)
def page(context: template.Context, name: str, *captured: object, **query: object) -> str:
    """As `page_url`; below an error there is no request, and then no account."""
    request = context.get("request")
    return reverse(name, args=captured) if request is None else page_url(request, name, *captured, **query)


@register.inclusion_tag("components/tab.html", takes_context=True)
def tab(context: template.Context, name: str, label: str, badge: int = 0) -> dict[str, object]:
    """A tab that leads to the page called `name`, and is current there and on the pages below it."""
    request = context["request"]
    address = reverse(name)
    is_current = request.path == address or (address != "/" and request.path.startswith(address))
    return {"href": page_url(request, name), "label": label, "is_current": is_current, "badge": badge}


@register.simple_tag(takes_context=True)
def page_asking(context: template.Context, name: str, query: Mapping[str, object]) -> str:
    """The page called `name` with a query that is put together elsewhere."""
    return page_url(context["request"], name, **query)


@register.simple_tag(takes_context=True)
def within(context: template.Context, path: str) -> str:
    """A path of ours, which may have a query, with the `account` that the request names."""
    account = context["request"].GET.get("account")
    if not account:
        return path
    address, hash_sign, fragment = path.partition("#")
    query = urlencode({"account": account})
    return f"{address}{'&' if '?' in address else '?'}{query}{hash_sign}{fragment}"
