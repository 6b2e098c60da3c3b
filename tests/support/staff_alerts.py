"""Alerts as staff find them: rows, and the pages about them."""

from django.test import Client
from django.urls import reverse

from alerts import destinations
from alerts.models import AlertChannel
from tests.support.cast import NOW
from usage.models import Account

# Of this machine: tests look no names up.
HOOK = "http://127.0.0.1:9/in/T0P5ECRET-of-acme"


def page(model: str, name: str, *arguments: object, **query: str) -> str:
    return reverse(f"admin:alerts_{model}_{name}", args=arguments, query=query or None)


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def listed(client: Client, model: str, **query: str) -> int:
    return len(client.get(page(model, "changelist", **query)).context["cl"].result_list)


def a_hook(account: Account | None) -> tuple[AlertChannel, str]:
    """A webhook and the secret it signs with."""
    return destinations.add(account, kind="webhook", address=HOOK, at=NOW, by="alice")
