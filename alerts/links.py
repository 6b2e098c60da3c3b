"""Absolute addresses of our pages, for what is read elsewhere."""

from django.conf import settings


def absolute(path: str) -> str:
    """The address of the page at `path`, which begins with a slash."""
    return f"{settings.PUBLIC_URL}{path}"
