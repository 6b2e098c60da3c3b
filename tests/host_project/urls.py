"""What the host with tables of its own serves."""

from django.urls import path

from tests.host_project.failing import fail_after_the_call
from tests.host_project.urls_remote import urlpatterns as served_by_both

urlpatterns = [*served_by_both, path("fail/", fail_after_the_call)]
