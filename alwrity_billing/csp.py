"""Content-Security-Policy by area: strict everywhere, loosened only where a third-party page needs it."""

from csp.middleware import CSPMiddleware


class PolicyByAreaMiddleware(CSPMiddleware):
    """django-csp's middleware with the exceptions of the admin and the API documentation."""
