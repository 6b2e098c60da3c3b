"""Emptying the tables after tests of real connections: only what holds rows, and by deleting them.

Django truncates every table, and lets permissions and roles be made again. Most tests leave a few rows in a
few tables, for which that takes longer than the tests themselves.
"""

from typing import Any

from django.core.management import call_command
from django.db import connection

from alwrity_billing.roles import ADDS

# Made by migrating, and changed by hardly any test.
KEPT = {"django_content_type", "auth_permission", "auth_group", "auth_group_permissions"}
ROLES = "SELECT count(*) = %s AND bool_and(name = ANY (%s)) FROM auth_group"


def empty_tables(_case: Any) -> None:
    """In place of `TransactionTestCase._fixture_teardown`."""
    with connection.cursor() as cursor:
        cursor.execute(ROLES, [len(ADDS), list(ADDS)])
        (as_migrated,) = cursor.fetchone()
        if not as_migrated:
            call_command("flush", verbosity=0, interactive=False)
            return
        names = [connection.ops.quote_name(name) for name in _tables()]
        looks = ", ".join(f"EXISTS (SELECT FROM {name})" for name in names)
        cursor.execute(f"SELECT {looks}")
        filled = [name for name, has_rows in zip(names, cursor.fetchone(), strict=True) if has_rows]
        if filled:
            # Neither foreign keys nor the triggers that keep rows from being changed have a say.
            deletions = [f"DELETE FROM {name}" for name in filled]  # noqa: S608
            role = "SET session_replication_role ="
            cursor.execute(";".join([f"{role} replica", *deletions, f"{role} DEFAULT"]))


def _tables() -> list[str]:
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return sorted(set(tables) - KEPT)
