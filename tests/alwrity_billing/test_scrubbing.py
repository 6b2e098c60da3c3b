"""What leaves no trace in text, and what stays as it is. Every secret here is made up."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alwrity_billing import scrubbing

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhY21lIn0.c2lnbmF0dXJl"
SECRET = "Zx9Yw8Vu7Ts6Rq5Po4Nm3Lk2Ji1Hg0Fe"
API_KEY = f"a1B2c3D4.{SECRET}"

SECRETS = [
    (f"key {API_KEY} is revoked", SECRET),
    (f"X-API-Key: {API_KEY}", SECRET),
    ("HTTP_X_API_KEY='short-one'", "short-one"),
    ("{'x-api-key': 'short-one'}", "short-one"),
    ("(b'authorization', b'Basic dXNlcjpwYXNz')", "dXNlcjpwYXNz"),
    ("Authorization: Bearer opaque-token", "opaque-token"),
    ("authorization=Api-Key opaque-token, accept=*/*", "opaque-token"),
    ("sent Bearer abc123def456 upstream", "abc123def456"),
    (f"token {JWT} expired", JWT),
    ("Cookie: sessionid=abc; csrftoken=def", "csrftoken=def"),
    ("postgresql://billing:p@ss:w0rd@db.example.com:5432/billing", "p@ss:w0rd"),
    ("redis://:hunter2@cache/0", "hunter2"),
    ("charge with sk_live_51Habcdefgh", "sk_live_51Habcdefgh"),
    ("restricted rk_test_51Habcdefgh", "rk_test_51Habcdefgh"),
    ("signing secret whsec_abcDEF123456", "whsec_abcDEF123456"),
    ("openai sk-proj-abcdefghijklmnop1234", "sk-proj-abcdefghijklmnop1234"),
    ("anthropic sk-ant-api03-abcdefghijkl", "sk-ant-api03-abcdefghijkl"),
    ("google AIzaSyA-1234567890abcdefghijklmnopqrstu", "AIzaSyA-1234567890abcdefghijklmnopqrstu"),
    ("https://generativelanguage.googleapis.com/v1/models?key=g00gle&alt=sse", "g00gle"),
    ("Not Found: /join/17:bhb5WY1_zZyf4-W/", "bhb5WY1_zZyf4-W"),
    ("GET /login/?next=/join/17%3Abhb5WY1_zZyf4-W/", "bhb5WY1_zZyf4-W"),
    ('{"password": "correct horse"}', "correct"),
    ("client_secret=abc", "=abc"),
    ("paid by 4242424242424242 today", "4242424242424242"),
    ("card 5555 5555 5555 4444", "5555 5555 5555 4444"),
    ("card: 4000-0566-5566-5556.", "4000-0566-5566-5556"),
    ("amex 3782 822463 10005", "3782 822463 10005"),
    ("amex 378282246310005", "378282246310005"),
    ("diners 30569309025904", "30569309025904"),
    ("card_number=4111111111111111111", "4111111111111111111"),
]

HARMLESS = [
    "1000 input_tokens=500 output_tokens=120 cost=0.0047608895",
    "event 11111111-4111-1111-1111-111111111111 recorded",
    "batch 1773575999000 and 1773575999000000000 at 2026-03-15T12:00:00.000000+00:00",
    "order 4242424242424241 is not a card, nor is 9999999999999995",
    "cost 0.4242424242424242 USD",
    "GET /api/subscription/usage/acme?billing_period=2026-03&limit=50 200",
    "the bearer of this message; authorization refused",
    "loaded alwrity_billing.settings from /srv/app",
    "https://example.com:8000/path and postgresql://db.example.com:5432/billing",
    "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "tokens: 12, token count 14, secretary: Ms Jones",
]


@pytest.mark.parametrize(("line", "secret"), SECRETS)
def test_a_secret_leaves_the_text(line: str, secret: str) -> None:
    clean = scrubbing.text(line)

    assert secret not in clean
    assert scrubbing.REMOVED in clean


@pytest.mark.parametrize("line", HARMLESS)
def test_ordinary_text_stays_as_it_is(line: str) -> None:
    assert scrubbing.text(line) == line


def test_what_stands_around_a_secret_stays_readable() -> None:
    line = f"GET /v1 X-API-Key: {API_KEY} from postgresql://app:secret@db/billing"

    assert scrubbing.text(line) == "GET /v1 X-API-Key: [removed] from postgresql://app:[removed]@db/billing"


def test_the_prefix_that_names_one_of_our_keys_stays() -> None:
    assert scrubbing.text(f"key {API_KEY} revoked") == "key a1B2c3D4.[removed] revoked"


def luhn_digit(digits: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(reversed(digits)))
    return str(-total % 10)


@given(
    middle=st.text("0123456789", min_size=14, max_size=14),
    before=st.sampled_from(["", " ", "=", '"', "pan:"]),
)
def test_every_visa_number_is_removed(middle: str, before: str) -> None:
    digits = "4" + middle
    number = digits + luhn_digit(digits)

    assert number not in scrubbing.text(f"{before}{number} was declined")


@given(st.text())
def test_scrubbing_twice_is_scrubbing_once(line: str) -> None:
    once = scrubbing.text(line)

    assert scrubbing.text(once) == once


@pytest.mark.parametrize(
    "piece",
    ["a", "a_", "eyJ-", "a://", "authorization:", "4", "4 ", "bearer ", "sk_", "x-api-key='", "?key="],
)
def test_the_cost_is_bounded_whatever_the_text(piece: str) -> None:
    started = time.perf_counter()
    clean = scrubbing.text(piece * 200_000)

    assert time.perf_counter() - started < 1
    assert len(clean) < scrubbing.MAX_TEXT_CHARS * 5


@pytest.mark.parametrize(
    ("name", "held", "expected"),
    [
        ("password", "correct horse", "[removed]"),
        ("HTTP_AUTHORIZATION", "Bearer x", "[removed]"),
        ("x-api-key", 12345, "[removed]"),
        ("status_code", 200, 200),
        ("card", 4242424242424242, "[removed]"),
        ("ok", True, True),
        ("cost", 0.5, 0.5),
        ("nothing", None, None),
        ("keys", [API_KEY], ["a1B2c3D4.[removed]"]),
        ("headers", {"X-API-Key": "k", "Accept": "*/*"}, {"X-API-Key": "[removed]", "Accept": "*/*"}),
        ("deep", {"a": {"b": {"secret": "s"}}}, {"a": {"b": {"secret": "[removed]"}}}),
        ("many", list(range(1000)), list(range(scrubbing.MAX_ITEMS))),
    ],
)
def test_a_field_is_scrubbed_by_its_name_and_inside(name: str, held: object, expected: object) -> None:
    assert scrubbing.value(name, held) == expected
