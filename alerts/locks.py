"""Taking turns: whoever looks at an account's alerts, or at a rule's, does so alone."""

from django.db import connection


def take_turn(name: str) -> None:
    """Wait until nobody else has the turn called `name`, inside the caller's transaction. What is read
    afterwards is what the one before has left.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"alerts:{name}"])
