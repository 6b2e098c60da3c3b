"""HTML of the simulator's pages: templates beside this file, every value escaped."""

import html
from functools import cache
from pathlib import Path
from string import Template

from subscriptions.stripe.simulator.http import Answer

TEMPLATES = Path(__file__).resolve().parent / "templates"
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def fill(template: str, /, **values: object) -> Html:
    """The template with the values in it; what is not Html is escaped."""
    escaped = {name: _escaped(value) for name, value in values.items()}
    return Html(_template(template).substitute(escaped))


def joined(parts: list[Html]) -> Html:
    return Html("\n".join(parts))


def page(title: str, body: Html, *, status: int = 200) -> Answer:
    return Answer(
        status=status,
        body=fill("base.html", title=title, body=body),
        content_type="text/html",
        headers=SECURITY,
    )


def redirect(url: str) -> Answer:
    return Answer(status=303, body="", content_type="text/plain", headers={"Location": url, **SECURITY})


def stylesheet() -> Answer:
    return Answer(status=200, body=_text("simulator.css"), content_type="text/css")


def _escaped(value: object) -> str:
    if isinstance(value, Html):
        return value
    return html.escape(str(value), quote=True)


@cache
def _template(name: str) -> Template:
    return Template(_text(name))


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
