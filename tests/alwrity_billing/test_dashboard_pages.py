import json
import re
import shlex
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import msgspec
import pytest
import time_machine
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from alwrity_billing.dashboard.accounts import MOST_ACCOUNTS
from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.usage_rows import a_log_row, a_period, a_rollup, a_summary
from usage.events import UsageEvent
from usage.models import Account, Member

pytestmark = pytest.mark.django_db

MOST_QUERIES = 15
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    return an_account("acme", name="Acme Research")


@pytest.fixture
def alice(client: Client, acme: Account) -> Client:
    client.force_login(a_member(acme))
    return client


def some_usage(account: Account, *, model: str = "gpt-4o") -> None:
    period = a_period(account)
    quantities: dict[str, Any] = {
        "input_tokens": 18_059_974,
        "cached_input_tokens": 1_024,
        "output_tokens": 245_896,
    }
    timing: dict[str, Any] = {"response_time_ms": 8_819_000, "timed_calls": 8_819}
    a_summary(period, calls=8_819, errors=88, cost="47.608895", **quantities, **timing)
    a_rollup(account, model=model, calls=8_819, errors=88, cost="47.608895", **quantities, **timing)
    a_log_row(period, model=model)


def page_of(client: Client, url: str = "/") -> str:
    response = client.get(url)
    assert response.status_code == 200
    return unescape(response.content.decode())


def test_a_stranger_is_sent_to_log_in_and_back(client: Client) -> None:
    assert client.get("/?account=acme")["Location"] == "/login/?next=/%3Faccount%3Dacme"


def test_the_page_shows_the_periods_numbers(alice: Client, acme: Account) -> None:
    some_usage(acme)
    page = page_of(alice)
    for number in (
        "Acme Research",
        ">1 Mar<",
        ">31 Mar 2026<",
        ">$47.61<",
        "exactly $47.608895",
        ">8,819<",
        ">18,305,870<",
        "18,059,974 input, of which 1,024 cached",
        "245,896 output",
        ">1.0%<",
        "88 failed",
        ">1.00 s<",
    ):
        assert number in page, number


def test_the_chart_and_its_table_say_the_same(alice: Client, acme: Account) -> None:
    a_summary(a_period(acme), cost="3.5")
    a_rollup(acme, provider="openai", cost="3")
    a_rollup(acme, provider="tavily", model="", cost="0.5")
    page = page_of(alice)
    assert "<title>Sun 15 Mar: $3.50, 2 calls\nOpenAI $3.00\nTavily $0.50</title>" in page
    row = re.search(r'<time datetime="2026-03-15">.*?</tr>', page)
    assert row is not None
    assert re.findall(r"\$[0-9.]+", row[0]) == ["$3.00", "$0.50", "$3.50"]
    assert page.count('class="chart-column"') == 30


def test_a_failed_call_says_so_in_words(alice: Client, acme: Account) -> None:
    period = a_period(acme)
    a_summary(period)
    a_log_row(period, status_code=429, error_message="Rate limit reached")
    page = page_of(alice)
    assert "429 failed" in page
    assert "Rate limit reached" in page


def test_names_from_events_are_escaped(alice: Client, acme: Account) -> None:
    period = a_period(acme)
    a_summary(period, provider=HOSTILE)
    a_rollup(acme, provider=HOSTILE, model=HOSTILE, cost="1")
    a_log_row(period, provider=HOSTILE, model=HOSTILE, status_code=500, error_message=f'"{HOSTILE}')
    body = alice.get("/").content.decode()
    assert HOSTILE not in body
    assert "&lt;script&gt;alert" in body


def test_the_page_needs_few_queries_however_much_there_is(
    alice: Client, acme: Account, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    some_usage(acme)
    for number in range(20):
        a_rollup(acme, provider=f"p{number}", model=f"m{number}")
    with django_assert_max_num_queries(MOST_QUERIES):
        alice.get("/")


def test_the_page_is_not_cached(alice: Client) -> None:
    assert "no-store" in alice.get("/")["Cache-Control"]


def test_without_usage_the_page_shows_how_to_send_the_first_event(alice: Client) -> None:
    page = page_of(alice)
    assert "Send your first event" in page
    assert "YOUR_API_KEY" in page
    assert "Cost per day" not in page


def test_the_first_events_command_is_one_the_api_takes(client: Client) -> None:
    account = an_account('o\'brien & "sons" $HOME')
    client.force_login(a_member(account))
    shown = re.search(r'id="curl-line">(.*?)</code>', page_of(client), re.DOTALL)
    assert shown is not None
    words = shlex.split(shown[1])
    event = msgspec.json.decode(words[words.index("-d") + 1], type=UsageEvent)
    assert words[1] == "http://testserver" + reverse("usage-events")
    assert event.subject == account.external_id
    assert json.loads(words[-1])["data"]["gen_ai.request.model"] == event.data.request_model


def test_a_user_in_no_account_is_told_what_to_do(client: Client) -> None:
    client.force_login(a_user("carol"))
    assert "You are in no account yet" in page_of(client)


# --- Other accounts ------------------------------------------------------------------------------------


def test_a_strangers_account_is_refused_without_its_data(alice: Client) -> None:
    some_usage(an_account("other", name="Other Corp"))
    response = alice.get("/?account=other")
    assert response.status_code == 403
    assert "Other Corp" not in response.content.decode()
    assert "47.6" not in response.content.decode()


def test_an_unknown_account_is_refused_in_the_same_words(alice: Client) -> None:
    an_account("other")
    known, unknown = alice.get("/?account=other"), alice.get("/?account=nobody")
    assert known.status_code == unknown.status_code == 403
    assert known.context["exception"] == unknown.context["exception"]


def test_a_member_of_two_accounts_opens_either(alice: Client, acme: Account) -> None:
    second = an_account("second", name="Second Ltd")
    Member.objects.create(account=second, user=Member.objects.get().user)
    assert "Acme Research" in page_of(alice)
    assert "Second Ltd" in page_of(alice, "/?account=second")
    chooser = page_of(alice, reverse("choose_account"))
    assert "/?account=acme" in chooser
    assert "/?account=second" in chooser


def test_the_tabs_keep_the_chosen_account(alice: Client) -> None:
    second = an_account("a/b&c", name="Second Ltd")
    Member.objects.create(account=second, user=Member.objects.get().user)
    assert 'href="/?account=a%2Fb%26c" aria-current="page"' in page_of(alice, "/?account=a%2Fb%26c")


def test_staff_without_an_account_choose_one(client: Client, acme: Account) -> None:
    client.force_login(a_user("staff", is_staff=True))
    assert client.get("/")["Location"] == reverse("choose_account")
    assert "Acme Research" in page_of(client, "/?account=acme")
    assert client.get("/?account=nobody").status_code == 404


def test_staff_find_accounts_by_name_or_external_id(client: Client) -> None:
    an_account("cus-1", name="Umbrella")
    an_account("cus-2", name="Initech")
    client.force_login(a_user("staff", is_staff=True))
    for term in ("umBRella", "CUS-1"):
        page = page_of(client, f"/accounts/?q={term}")
        assert "Umbrella" in page
        assert "Initech" not in page
    assert "No account’s name or external id holds “nothing”." in page_of(client, "/accounts/?q=nothing")


def test_the_choice_of_accounts_is_bounded_and_says_so(client: Client) -> None:
    for number in range(MOST_ACCOUNTS + 1):
        an_account(f"cus-{number:02}")
    client.force_login(a_user("staff", is_staff=True))
    page = page_of(client, "/accounts/")
    assert page.count("/?account=cus-") == MOST_ACCOUNTS
    assert "There are more" in page
    assert "There are more" not in page_of(client, "/accounts/?q=cus-00")


def test_a_member_chooses_among_their_own_accounts_alone(alice: Client) -> None:
    an_account("other", name="Other Corp")
    page = page_of(alice, "/accounts/?q=")
    assert "Acme Research" in page
    assert "Other Corp" not in page


@pytest.mark.parametrize("url", ["/?account=%00", "/accounts/?q=%00", "/accounts/?q=" + "x" * 5000])
def test_odd_parameters_do_no_harm(alice: Client, url: str) -> None:
    assert alice.get(url).status_code in (200, 403)


def test_a_bad_key_beside_a_good_session_is_refused(alice: Client) -> None:
    response = alice.get("/", headers={"X-API-Key": "wrong"})
    assert response.status_code == 403
    assert "API key is not valid" in response.content.decode()


def test_pages_are_only_read(alice: Client) -> None:
    assert alice.post("/").status_code == 405
    assert alice.post("/accounts/").status_code == 405


# --- Errors, and the rules every page keeps ----------------------------------------------------------


def test_an_unknown_address_has_a_page_of_ours(client: Client) -> None:
    response = client.get("/nothing-here")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_a_form_without_its_token_has_a_page_of_ours() -> None:
    response = Client(enforce_csrf_checks=True).post("/login/", {"username": "alice"})
    assert response.status_code == 403
    assert "The form has expired" in response.content.decode()


@pytest.mark.parametrize("template", ["400.html", "500.html"])
def test_the_last_resort_pages_need_no_database_and_no_request(
    template: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert "<h1" in render_to_string(template)


INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", re.IGNORECASE)


@pytest.mark.parametrize(
    "url",
    ["/", "/?account=other", "/accounts/", "/login/", "/password-change/", "/nothing", "/password-reset/"],
)
def test_no_page_has_inline_script_or_style_or_an_outside_request(
    alice: Client, acme: Account, url: str
) -> None:
    some_usage(acme)
    body = alice.get(url, follow=True).content.decode()
    assert INLINE.findall(body) == []
    assert re.findall(r'(?:src|href|action)="(?:[a-z]+:)?//[^"]*"', body) == []


def test_no_template_has_inline_script_or_style() -> None:
    templates = [path for path in Path(settings.BASE_DIR, "templates").rglob("*.html") if path.is_file()]
    assert len(templates) > 20
    assert [path.name for path in templates if INLINE.search(path.read_text())] == []
