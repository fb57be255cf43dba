"""Async views are decorated where they get their paths."""

from django.urls import path

from aiofutures import to_sync

from . import views

urlpatterns = [
    path("", views.index),
    path("add", to_sync(views.add)),
    path("add_or_not", views.add_or_not),
    path("who", to_sync(views.who)),
    path("async_who", views.who),
    path("stream", views.stream),
    path("submit", views.submit),
    path("async_submit", views.async_submit),
]
