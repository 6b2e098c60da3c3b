"""The test database, and others beside it, for other processes."""

import os

from django.db import connection


def address(name: str = "") -> str:
    """The URL of the test database, or of the one called `name`: as the tests were given theirs."""
    given, question, options = os.environ["DATABASE_URL"].partition("?")
    return f"{given.rpartition('/')[0]}/{name or connection.settings_dict['NAME']}{question}{options}"
