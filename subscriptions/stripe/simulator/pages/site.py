"""The simulator's pages: which address shows what. A form is one transaction, as a call is."""

import re
import time
from collections.abc import Callable
from urllib.parse import parse_qsl

from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.http import Answer, Request
from subscriptions.stripe.simulator.pages import authentication, card_form, checkout, invoice, portal
from subscriptions.stripe.simulator.pages.rendering import fill, page, stylesheet
from subscriptions.stripe.simulator.store import Store
from subscriptions.stripe.simulator.wire import ApiError

ID = r"([A-Za-z0-9_]+)"
SHOWN: list[tuple[str, Callable[[Call], Answer]]] = [
    (rf"/checkout/{ID}", checkout.show),
    (rf"/authenticate/{ID}", authentication.show),
    (rf"/portal/{ID}", portal.show),
    (rf"/invoice/{ID}/{ID}", invoice.show),
]
SUBMITTED: list[tuple[str, Callable[[Call, dict[str, str]], Answer]]] = [
    (rf"/checkout/{ID}", checkout.submit),
    (rf"/authenticate/{ID}", authentication.submit),
    (rf"/portal/{ID}/cards", portal.add_card),
    (rf"/portal/{ID}/cards/{ID}/default", portal.make_default),
    (rf"/portal/{ID}/cards/{ID}/remove", portal.remove),
    (rf"/invoice/{ID}/{ID}", invoice.pay),
]


class Site:
    def __init__(self, store: Store) -> None:
        self._store = store

    def answer(self, request: Request) -> Answer:
        if request.path == "/static/simulator.css":
            return stylesheet()
        if request.path == "/":
            return page("Stripe simulator", fill("home.html", cards=card_form.test_cards()))
        try:
            with self._store.transaction():
                return self._page(request)
        except ApiError as refused:
            body = fill("message.html", title="That did not work", text=refused.message, link="")
            return page("That did not work", body, status=refused.status)

    def _page(self, request: Request) -> Answer:
        if request.method == "POST":
            form = dict(parse_qsl(request.body, keep_blank_values=True))
            for pattern, submit in SUBMITTED:
                if found := re.fullmatch(pattern, request.path):
                    return submit(self._call(request, found.groups()), form)
        for pattern, show in SHOWN:
            if request.method == "GET" and (found := re.fullmatch(pattern, request.path)):
                return show(self._call(request, found.groups()))
        raise ApiError("There is no such page.", status=404)

    def _call(self, request: Request, path_ids: tuple[str, ...]) -> Call:
        return Call(store=self._store, now=int(time.time()), base_url=request.base_url, path_ids=path_ids)
