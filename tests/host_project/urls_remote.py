"""What both hosts serve."""

from django.urls import path

from tests.host_project import views

urlpatterns = [
    path("articles/<int:article>/", views.answer),
    path("articles-async/<int:article>/", views.answer_async),
    path("stream/", views.stream),
    path("stream-async/", views.stream_async),
    path("checked/nothing/", views.nothing),
    path("checked/stream/", views.stream),
    path("imported/", views.imported),
]
