"""Views that do nothing: what a framework takes for itself, with and without finding out who asks.

They stand behind the same server, the same middleware and the same connection pool as ours.
"""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from usage import access


class Empty(APIView):
    """P2: Django REST framework alone, its own renderer, nobody asked for a name."""

    authentication_classes = ()
    permission_classes = ()
    renderer_classes = (JSONRenderer,)

    def post(self, request: Request) -> Response:
        return Response({})


class EmptyWithToken(APIView):
    """P3: the same for the authenticated, by the framework's own tokens: one query."""

    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsAuthenticated,)
    renderer_classes = (JSONRenderer,)

    def post(self, request: Request) -> Response:
        return Response({})


@csrf_exempt
@require_POST
def empty_with_our_key_check(request: HttpRequest) -> HttpResponse:
    """A plain view that knows who asks, by the access layer of every view of ours: one query."""
    access.principal_of(request, at=timezone.now())
    return HttpResponse(b"{}", content_type="application/json")
