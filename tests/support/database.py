"""The test database, for other processes."""

from urllib.parse import quote

from django.db import connection


def address() -> str:
    """Its URL."""
    known = connection.get_connection_params()
    host = quote(str(known.get("host", "")), safe="")
    return f"postgresql://{known['user']}@/{known['dbname']}?host={host}&port={known.get('port', 5432)}"
