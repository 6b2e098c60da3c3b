"""Looking at pages as somebody of an account: logged in, and read as one line of text with its markup."""

from html import unescape
from http import HTTPStatus

from django.http import HttpResponseBase
from django.test import Client

from tests.support.cast import a_member
from usage.models import Account, Role


def logged_in(account: Account, username: str, role: Role) -> Client:
    """The browser of a new member of the account."""
    client = Client()
    client.force_login(a_member(account, username=username, role=role))
    return client


def read(response: HttpResponseBase, status: int = HTTPStatus.OK) -> str:
    """What the page says, which must have that status; spaces and line ends are one space."""
    assert response.status_code == status
    return " ".join(unescape(response.getvalue().decode()).split())  # type: ignore[attr-defined]
