"""Setting the stage of the authorize probes: accounts with limits, a web server, clients that wait."""

from contextlib import ExitStack
from datetime import datetime

from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token

import benchmarks
from benchmarks import databases
from benchmarks.authorizing import clients, limits, tables, upstream
from benchmarks.authorizing.asking import external_id
from benchmarks.authorizing.stage import Stage
from benchmarks.web import serving
from usage.models import Account

SUFFIX = "authorize"
# One insert of so many rows at a time.
PORTION = 1_000


def stage(accounts: int, *, key: str, at: datetime, stack: ExitStack) -> Stage:
    """Everything the probes need, in a clone of Django's database; `key` is valid there too."""
    database = stack.enter_context(databases.clone(SUFFIX))
    server = stack.enter_context(databases.session(database))
    with databases.pointed_at(database):
        account_ids = make_accounts(accounts)
        limits.give(account_ids, at=at)
        tables.create(server, account_ids=account_ids)
        token = issue_token()
    databases.settle(server)
    return Stage(
        database=database,
        server=server,
        port=stack.enter_context(serving(database, settings_module=benchmarks.SETTINGS)),
        upstream=stack.enter_context(upstream.answering()),
        key=key,
        token=token,
        clients=stack.enter_context(clients.waiting(database)),
        accounts=accounts,
    )


def make_accounts(count: int) -> list[int]:
    """Make `count` accounts, numbered from 0; returns their ids in that order."""
    made = Account.objects.bulk_create(
        (Account(external_id=external_id(number), name=external_id(number)) for number in range(count)),
        batch_size=PORTION,
    )
    return [account.pk for account in made]


def issue_token() -> str:
    """A token of Django REST framework's own, for a user of its own."""
    user = User.objects.create_user("bench")
    return str(Token.objects.create(user=user).key)
