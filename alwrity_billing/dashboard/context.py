"""What every page's frame needs besides its own content."""

from django.conf import settings
from django.http import HttpRequest


def frame(request: HttpRequest) -> dict[str, object]:
    """The product's version, for the footer."""
    return {"version": settings.SPECTACULAR_SETTINGS["VERSION"]}
