import pytest
from django.template import Context, Template
from django.test import RequestFactory

from alwrity_billing.dashboard.addresses import page_url


@pytest.mark.parametrize(
    ("asked", "address"),
    [
        ("/", "/billing/?page=2"),
        ("/?account=acme", "/billing/?account=acme&page=2"),
        ("/?account=a%2Fb%26c&page=7", "/billing/?account=a%2Fb%26c&page=2"),
        ("/?account=", "/billing/?page=2"),
    ],
)
def test_a_link_stays_in_the_account_one_has_chosen(asked: str, address: str) -> None:
    request = RequestFactory().get(asked)

    assert page_url(request, "billing", page=2) == address


def test_a_template_links_with_what_the_address_captures() -> None:
    template = Template("{% load addresses %}{% page 'invoice' number %}")
    request = RequestFactory().get("/?account=acme")

    assert template.render(Context({"number": "2026-000001", "request": request})) == (
        "/billing/invoices/2026-000001/?account=acme"
    )


def test_a_template_without_a_request_still_links() -> None:
    assert Template("{% load addresses %}{% page 'billing' %}").render(Context()) == "/billing/"
