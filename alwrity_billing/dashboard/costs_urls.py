"""Addresses of the pages about costs."""

from django.urls import path

from alwrity_billing.dashboard import costs_views

urlpatterns = [
    path("costs/", costs_views.costs, name="costs"),
    path("costs/patterns/", costs_views.patterns, name="cost_patterns"),
]
