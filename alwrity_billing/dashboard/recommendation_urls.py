"""Addresses of what people do with recommendations."""

from django.urls import path

from alwrity_billing.dashboard import recommendation_views

urlpatterns = [
    path("recommendations/dismiss/", recommendation_views.dismiss, name="recommendation_dismiss"),
]
