"""Content-Security-Policy by area: strict everywhere, loosened only where a third-party page needs it.

Why each exception is needed: docs/decisions/0003-content-security-policy.md.
"""

from csp.constants import UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase

RELAXED: dict[str, dict[str, list[str]]] = {
    # django-unfold: Alpine evaluates the expressions in its attributes; theme colours are an inline style.
    "/admin/": {"script-src": [UNSAFE_EVAL], "style-src": [UNSAFE_INLINE]},
    # Swagger UI: inline styles.
    "/docs": {"style-src": [UNSAFE_INLINE]},
}


class PolicyByAreaMiddleware(CSPMiddleware):
    """django-csp's middleware with the exceptions of the admin and the API documentation."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        for prefix, exceptions in RELAXED.items():
            if request.path_info.startswith(prefix):
                parts.update = {**exceptions, **(parts.update or {})}
        return parts
