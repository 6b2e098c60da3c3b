"""A view that writes to the host's tables, calls a provider, and fails."""

from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse

from tests.host_project.clients import ask

ROLLED_BACK = "to be rolled back"


def fail_after_the_call(request: HttpRequest) -> HttpResponse:
    Group.objects.create(name=ROLLED_BACK)
    ask("What is salt?")
    raise RuntimeError("the view fails after its call")
