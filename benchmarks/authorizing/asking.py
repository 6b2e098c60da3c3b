"""What every probe asks for: one call of a language model, for one of many accounts."""

from datetime import datetime

import msgspec
import psycopg
from django.conf import settings

from usage.authorization import AUTHORIZE
from usage.estimation import worst_cases
from usage.operations import AuthorizationRequest, Operation
from usage.pricebook import current_book

OPERATION = Operation(provider="openai", model="gpt-4o-mini", input_tokens=1_000, max_output_tokens=200)

# What a script computes where a caller gives another value each time.
CUSTOMER, ID, NOW = "@customer@", "@id@", "@now@"
# Ours are of version 7, as those of `usage.authorization`, where the server can make them.
VERSION_WITH_UUIDV7 = 180_000


def external_id(number: int) -> str:
    """The id of account `number`, counted from 0; the hot account is the first."""
    return f"tenant-{number}"


def worst_case(at: datetime) -> str:
    """The operation as `usage_authorize` takes it, priced by the book of Django's database."""
    encoded = msgspec.json.encode(worst_cases([OPERATION], current_book(), at=at))
    # A space after each colon: pgbench takes a colon and a word for one of its variables.
    return msgspec.json.format(encoded, indent=0).decode()


def script(server: "psycopg.Connection[object]", *, at: datetime) -> str:
    """The statement of `usage.authorization` for pgbench, which draws the number of an account each time.

    Django's database is the one `server` is connected to.
    """
    given = (
        *(CUSTOMER, current_book().version, ID, "", None),
        *(worst_case(at), settings.DEFAULT_OUTPUT_CAP, settings.AUTHORIZATION_LIFETIME, NOW),
    )
    return drawing(psycopg.ClientCursor(server).mogrify(AUTHORIZE, given), server)


def drawing(statement: str, server: "psycopg.Connection[object]") -> str:
    """A pgbench script that draws an account up to `:last` and computes what stands for it in `statement`."""
    new_id = "uuidv7()" if server.info.server_version >= VERSION_WITH_UUIDV7 else "gen_random_uuid()"
    computed = {CUSTOMER: "'tenant-' || :number", ID: new_id, NOW: "now()"}
    for value, expression in computed.items():
        statement = statement.replace(f"'{value}'", expression)
    return f"\\set number random(0, :last)\n{statement};\n"


def bodies(accounts: int) -> list[bytes]:
    """The request for each of the first `accounts` accounts."""
    requests = (
        AuthorizationRequest(customer=external_id(number), operations=[OPERATION])
        for number in range(accounts)
    )
    return [msgspec.json.encode(request) for request in requests]
