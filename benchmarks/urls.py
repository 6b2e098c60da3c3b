"""Every address of the project, and those of the views to compare with."""

from django.urls import include, path

from benchmarks import views

urlpatterns = [
    path("", include("alwrity_billing.urls")),
    path("bench/empty", views.Empty.as_view()),
    path("bench/token", views.EmptyWithToken.as_view()),
    path("bench/key", views.empty_with_our_key_check),
]
